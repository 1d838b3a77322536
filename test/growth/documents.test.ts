/** Texts that people or programs wrote: stacks, specs, locks, listings, scripts. */
import { suite } from 'uvu'
import { parseAssignments } from '../../compose/sources/shell-assignments.ts'
import { parseStack } from '../../compose/stack/stack-file.ts'
import { parseGetfattr } from '../../store/acl/getfattr-text.ts'
import { parseDeb822 } from '../../store/package/deb822.ts'
import { refusedLater } from '../helpers/refused.ts'
import { growsLinearly } from './growth.ts'

const documents = suite('documents')

documents('a stack in a form that only YAML has', () =>
  growsLinearly({
    size: 500,
    make: size =>
      `modules: [${Array.from({ length: size }, (_, index) => `"lib/a${index}-1"`).join(', ')}]\n`,
    run: text => parseStack(text, 'stack.yaml')
  })
)

for (const [title, text] of [
  ['anchors of anchors', `help: ${'&a '.repeat(100_000)}`],
  ['keys that stand again and again', 'a: 1\n'.repeat(50_000)],
  ['lists in lists', `modules: ${'['.repeat(50_000)}`],
  ['two megabytes of comment', `${'# x\n'.repeat(1 << 19)}modules: []\n`]
])
  documents(`refused: ${title} in a stack`, async () => {
    await refusedLater(parseStack(text!, 'stack.yaml'), 'STACK_INVALID', /tokens|deep|characters/)
  })

documents('assignments of a script', () =>
  growsLinearly({
    size: 500,
    make: size => Array.from({ length: size }, (_, index) => `export A${index}="x $HOME 'y'"\n`).join(''),
    run: script => parseAssignments(script.replaceAll('$HOME ', ''), 'script')
  })
)

documents('words of one line of a script', () =>
  growsLinearly({
    size: 500,
    make: size =>
      `export ${Array.from({ length: size }, (_, index) => `A${index}="${'x'.repeat(20)}"   `).join('')}`,
    run: script => parseAssignments(script, 'script')
  })
)

documents('blocks of a getfattr listing', () =>
  growsLinearly({
    size: 500,
    make: size =>
      Buffer.from(Array.from({ length: size }, (_, index) => `# file: f${index}\nuser.x=0x00\n\n`).join('')),
    run: text => parseGetfattr(text, 'listing')
  })
)

documents('fields of a paragraph, and lines that continue one', () =>
  growsLinearly({
    size: 1000,
    make: size => `Package: x\nDescription: y\n${' more\n'.repeat(size)}${'A: b\n'.repeat(size)}`,
    run: text => [...parseDeb822(text)].length
  })
)

documents.run()
