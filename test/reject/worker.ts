/**
 * `node worker.js UMASK GROUP all|most|quick [PART]` runs every case of a group (whose name holds PART) in one process and
 * prints what went wrong, a line of JSON a case. Who runs it is whoever started it.
 */
import { isInstalled } from '../helpers/needs.ts'
import { areasOf, type GroupName } from './groups.ts'
import { type Extent, Room } from './room.ts'
import { faultOf } from './run-case.ts'

const [umask, group, extent, part = ''] = process.argv.slice(2)
process.umask(Number.parseInt(umask, 8))
const isRoot = process.getuid!() === 0
const room = await Room.open(extent as Extent)
for (const { area, cases } of areasOf(group as GroupName))
  for (const subject of cases.filter(({ name }) => name.includes(part))) {
    const lacksTool = subject.program !== undefined && !isInstalled(subject.program)
    const isLeftOut = (subject.needsRoot && !isRoot) || lacksTool || (subject.isSlow && extent !== 'all')
    const started = performance.now()
    const fault = isLeftOut ? undefined : await faultOf(subject, room)
    const milliseconds = Math.round(performance.now() - started)
    process.stdout.write(
      `${JSON.stringify({ id: `${area}: ${subject.name}`, ran: !isLeftOut, fault, milliseconds })}\n`
    )
  }
room.clear()
process.chdir('/')
