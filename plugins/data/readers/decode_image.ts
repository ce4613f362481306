/**
 * PNG and JPEG files decoded to pixels of one size.
 *
 * @module
 */
import type { HostArray } from "../../../core/batch.ts";

/** The size of an image that is fed to a model. */
export interface ImageShape {
  /** Pixels. */
  readonly height: number;
  /** Pixels. */
  readonly width: number;
  /** 3 for red, green and blue, 1 for shades of gray. */
  readonly channels: 1 | 3;
}

/** Decoded pixels: `channels` is 1 (gray), 2 (gray, alpha), 3 or 4 (alpha). */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
  /** The value of white. */
  readonly white: number;
}

/**
 * Decodes a PNG or JPEG and resizes it, without keeping its proportions. Transparency is dropped. Orientation that a
 * camera noted is not applied.
 *
 * Source: bilinear with half-pixel centers and without anti-aliasing, as `tf.image.resize`.
 *
 * @returns uint8 `[height, width, channels]`, 0 to 255; `scale` makes it float32 from 0 to 1 on the device.
 * @throws {TypeError} If it is neither, or damaged.
 */
export async function decodeImage(bytes: Uint8Array, shape: ImageShape, what: string): Promise<HostArray> {
  let pixels: Pixels;
  try {
    if (bytes[0] === 0x89 && bytes[1] === 0x50) pixels = await decodePng(bytes);
    else if (bytes[0] === 0xff && bytes[1] === 0xd8) pixels = await decodeJpeg(bytes);
    else throw new Error("it is neither PNG nor JPEG");
  } catch (cause) {
    throw new TypeError(
      `Cannot decode ${what}: ${cause instanceof Error ? cause.message : String(cause)}; expected a complete PNG or ` +
        `JPEG file, found ${bytes.length} bytes. Replace or remove it.`,
      { cause },
    );
  }
  const { height, width, channels } = shape;
  return { shape: [height, width, channels], dtype: "uint8", values: resize(pixels, shape), scale: 1 / 255 };
}

async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const { convertIndexedToRgb, decode } = await import("fast-png");
  const image = decode(bytes, { checkCrc: true });
  const { width, height, depth } = image;
  if (image.palette !== undefined) {
    return { width, height, channels: image.palette[0]!.length, data: convertIndexedToRgb(image), white: 255 };
  }
  if (depth < 8) {
    return { width, height, channels: 1, data: unpackBits(image.data, width, height, depth), white: 2 ** depth - 1 };
  }
  return { width, height, channels: image.channels, data: image.data, white: 2 ** depth - 1 };
}

/** Shades of gray of 1, 2 or 4 bits; each row begins with a byte. */
function unpackBits(data: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const values = new Uint8Array(width * height);
  const rowBytes = Math.ceil(width * depth / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      values[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return values;
}

async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
  const { decode } = await import("jpeg-js");
  const { width, height, data } = decode(bytes, { useTArray: true, formatAsRGBA: false, tolerantDecoding: false });
  return { width, height, channels: 3, data, white: 255 };
}

function resize(pixels: Pixels, { height, width, channels }: ImageShape): Uint8Array {
  const values = new Uint8Array(height * width * channels);
  const rows = samplePoints(pixels.height, height);
  const columns = samplePoints(pixels.width, width);
  const unit = 255 / pixels.white;
  const gray = pixels.channels < 3;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (channel: number): number => interpolate(pixels, rows[y]!, columns[x]!, channel) * unit;
      const position = (y * width + x) * channels;
      if (channels === 3) {
        for (let channel = 0; channel < 3; channel++) values[position + channel] = Math.round(at(gray ? 0 : channel));
      } else {
        // ITU-R BT.601, as tf.image.rgb_to_grayscale.
        values[position] = Math.round(gray ? at(0) : 0.2989 * at(0) + 0.587 * at(1) + 0.114 * at(2));
      }
    }
  }
  return values;
}

/** Between which two pixels a new pixel lies, and how far from the first. */
interface SamplePoint {
  readonly low: number;
  readonly high: number;
  readonly part: number;
}

function samplePoints(from: number, to: number): readonly SamplePoint[] {
  return Array.from({ length: to }, (_, index) => {
    const center = (index + 0.5) * from / to - 0.5;
    const low = Math.floor(center);
    return { low: Math.max(low, 0), high: Math.min(low + 1, from - 1), part: center - low };
  });
}

function interpolate(
  { width, channels, data }: Pixels,
  row: SamplePoint,
  column: SamplePoint,
  channel: number,
): number {
  const at = (y: number, x: number): number => data[(y * width + x) * channels + channel]!;
  const top = at(row.low, column.low) * (1 - column.part) + at(row.low, column.high) * column.part;
  const bottom = at(row.high, column.low) * (1 - column.part) + at(row.high, column.high) * column.part;
  return top * (1 - row.part) + bottom * row.part;
}
