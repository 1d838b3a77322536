import type { Command } from 'commander'
import { isFileName, signFile, signModule, signSif } from '../../compose/outputs/index.ts'
import { contextOf } from '../context/index.ts'

const DESCRIPTION = `Sign the record of a published module, or a lock, with an SSH key. ssh-keygen makes the signature, so keys in an
agent, on FIDO tokens and on smart cards work. The signature of a module goes into the store, that of a lock into
LOCK.sig beside it. ssh-keygen -Y verify can check both. With --pem, a SIF file gets a signature that
apptainer verify --key checks; openssl makes it.`

const EXAMPLES = `
Examples:
  compose sign app/vasp-6.4
  compose sign app/vasp-6.4 --key ~/.ssh/id_ed25519
  compose sign stack.lock --key ~/.ssh/token.pub
  compose sign vasp.sif --pem key.pem`

export default (program: Command): void => {
  program
    .command('sign <MODULE|LOCK|SIF>')
    .summary('sign a published module, a lock or a SIF file')
    .description(DESCRIPTION)
    .option(
      '--key <FILE>',
      'private key, or a public key whose private half an agent or token has (default: $COMPOSE_SIGNING_KEY, else the first key of ssh-add -L)'
    )
    .option(
      '--pem <FILE>',
      'sign a SIF file for Apptainer with this private key: RSA, ECDSA or Ed25519, in PEM'
    )
    .addHelpText('after', EXAMPLES)
    .action(async (word: string, { key, pem }: { key?: string; pem?: string }, command: Command) => {
      const context = contextOf(command)
      if (pem !== undefined) {
        const { isNew, ...signed } = await signSif(word, pem)
        context.result({ ...signed, new: isNew }, () =>
          isNew
            ? `${signed.image}: signed with ${signed.key}, object ${signed.object}`
            : `${signed.image}: ${signed.key} had signed it before, object ${signed.object}`
        )
        return
      }
      if (await isFileName(word)) {
        const signed = await signFile(word, key)
        context.result(signed, () => `${signed.lock}: signed with ${signed.key}, ${signed.file}`)
        return
      }
      const { isNew, ...signed } = await signModule(await context.openStore(), word, key)
      context.result({ ...signed, new: isNew }, () =>
        isNew
          ? `${signed.module}: signed with ${signed.key}\n  record ${signed.record}\n  file   ${signed.file}`
          : `${signed.module}: ${signed.key} had signed it before`
      )
    })
}
