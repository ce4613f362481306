/**
 * How a buffer's elements lie in a texture.
 *
 * @module
 */
import type { Buffer } from "../../../compiler/ir/types.ts";

/** Four 32-bit words a texel, whatever they are: no driver changes their bits. */
export const TEXTURE_FORMAT = "rgba32uint";

/** Bytes of a texel. */
export const TEXEL_BYTES = 16;

/** The size of a texture, in texels. */
export interface TextureShape {
  /** A power of two: element `i` is in texel `⌊i / 4⌋`, which is column `⌊i / 4⌋ mod width` of row `⌊i / 4 / width⌋`. */
  readonly width: number;
  readonly height: number;
}

/** Narrow, so that little of the last row is left over. */
const LEAST_WIDTH = 64;
/** No adapter allows fewer rows. */
const MOST_ROWS = 8192;

/** The texture that a buffer takes. Its width depends on the buffer's size alone. */
export function textureShape({ size }: Pick<Buffer, "size">): TextureShape {
  const texels = Math.ceil(size / 4);
  let width = LEAST_WIDTH;
  while (width * MOST_ROWS < texels) width *= 2;
  return { width, height: Math.ceil(texels / width) };
}
