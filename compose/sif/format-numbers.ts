/** Numbers of the SIF format (spec/sif.md; github.com/apptainer/sif, pkg/sif). All are little endian, packed. */

export const SIF_HEADER_BYTES = 128
export const DESCRIPTOR_BYTES = 585
export const MAGIC_OFFSET = 32
export const MAGIC = 'SIF_MAGIC\0'
export const VERSION = '01'
/** Of the header: architecture, descriptors that are free, data. */
export const HEADER = { architecture: 45, id: 48, created: 64, free: 80, total: 88, table: 96, data: 112 }
/** Of a descriptor. */
export const FIELD = {
  ...{ type: 0, used: 4, id: 5, group: 9, link: 13, start: 17, length: 25, padded: 33 },
  ...{ created: 41, user: 57, name: 73, extra: 201 }
}
export const NAME_BYTES = 128

/** Types of data objects. */
export const SIF_TYPE = {
  definition: 0x4001,
  labels: 0x4003,
  partition: 0x4004,
  signature: 0x4005,
  json: 0x4006,
  cryptoMessage: 0x4008,
  ociRoot: 0x400a
}

/** The JSON object from which `apptainer inspect` reads. */
export const METADATA_NAME = 'inspect-metadata.json'

export const SQUASHFS = 1
export const PRIMARY_SYSTEM = 2

/** Room for descriptors, and their start, as the library of Apptainer has it. */
export const DESCRIPTORS = 48
export const TABLE_START = 4096
/** First byte behind the descriptors. */
export const DATA_START = TABLE_START + DESCRIPTORS * DESCRIPTOR_BYTES

/** Objects of one image in the file have one group; those of none have group 0. */
export const GROUP_MASK = 0xf0000000
export const FIRST_GROUP = 0xf0000001

/** Go's zero time, which the library takes for "no time"; 0 would be 1970. */
export const NO_TIME = -62_135_596_800n

const ARCHITECTURES = [
  ...['386', 'amd64', 'arm', 'arm64', 'ppc64', 'ppc64le', 'mips', 'mipsle', 'mips64', 'mips64le'],
  ...['s390x', 'riscv64', 'loong64']
]

/** Two digits and a NUL; `00` for a tree without programs, which runs everywhere. @param name as Go has it */
export const architectureCode = (name: string | undefined): string =>
  `${String(ARCHITECTURES.indexOf(name ?? '') + 1).padStart(2, '0')}\0`
