/**
 * Which line of the user's code is running: for messages, and for graphs that are asked for places.
 *
 * @module
 */

/** Where something was called. */
export interface Place {
  /** File and line: `net.ts:12:5`; empty where no frame is known. */
  readonly text: string;
  /** The tfjs function that the user's line called, `arraySync`; empty where it called none. */
  readonly via: string;
  /** All tfjs functions on the way, innermost first. */
  readonly functions: readonly string[];
}

interface Frame {
  readonly name: string;
  readonly url: string;
  readonly line: string;
}

const ROOT: string = new URL("../../", import.meta.url).href;
const OWN: string = new URL("./", import.meta.url).href;
/** Stride's folders: frames in them are named only where there is no frame of the user's. */
const STRIDE: readonly string[] = ["core/", "plugins/", "strategies/", "callbacks/"].map((folder) => ROOT + folder);

function parse(line: string): Frame | undefined {
  const match = /^\s*at (?:(?:async )?(.+?) \()?([^()\s]+):(\d+):(\d+)\)?$/.exec(line);
  return match ? { name: match[1] ?? "", url: match[2]!, line: `${match[3]}:${match[4]}` } : undefined;
}

/** `Module.booleanMaskAsync_` and `Tensor.arraySync` as users write them. */
function plainName(name: string): string {
  return name.replace(/^.*\./, "").replace(/_$/, "");
}

/** Where an error was made. */
export function placeOf(error: Error): Place {
  const frames = (error.stack ?? "").split("\n").map(parse).filter((frame) => frame !== undefined)
    .filter(({ url }) => !url.startsWith(OWN) && !/^(ext|node|native):|^<anonymous>/.test(url));
  const isTfjs = ({ url }: Frame) => url.includes("@tensorflow/");
  const isStride = ({ url }: Frame) => STRIDE.some((folder) => url.startsWith(folder));
  let at = frames.findIndex((frame) => !isTfjs(frame) && !isStride(frame));
  const outside = frames[at];
  // Where only a test runner or a script's top level is outside, a line of Stride's own plugins says more.
  if (outside === undefined) at = frames.findIndex((frame) => !isTfjs(frame));
  const found = frames[at];
  const inner = frames.slice(0, at < 0 ? frames.length : at).filter(isTfjs).map(({ name }) => plainName(name))
    .filter((name) => name !== "" && name !== "<anonymous>");
  return {
    text: found === undefined ? "" : `${found.url.slice(found.url.lastIndexOf("/") + 1)}:${found.line}`,
    via: inner.at(-1) ?? "",
    functions: inner,
  };
}

/** Where the caller is. */
export function currentPlace(): Place {
  return placeOf(new Error());
}
