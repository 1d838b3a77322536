/** Decodes a Linux device number as in an index: `new_decode_dev` in include/linux/kdev_t.h. */
export const deviceMajor = (device: number): number => (device & 0xfff00) >>> 8
export const deviceMinor = (device: number): number => ((device & 0xff) | ((device >>> 12) & 0xfff00)) >>> 0
