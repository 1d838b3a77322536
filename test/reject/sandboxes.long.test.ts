import { testGroup } from './variants.ts'

await testGroup('sandboxes')
