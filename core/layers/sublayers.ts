/**
 * The layers inside a layer.
 *
 * @module
 */
import { tf } from "../tf.ts";
import {
  type BidirectionalInternals,
  type CellInternals,
  className,
  internals,
  isContainer,
  isRecurrent,
  type RecurrentInternals,
  type WrapperInternals,
} from "./internals.ts";
import { layerPath } from "./naming.ts";

/** A layer inside another, and the path segment under which its variables stand; `""` for none. */
export interface Sublayer {
  readonly segment: string;
  readonly layer: tf.layers.Layer;
}

/**
 * The layers inside a layer, in Keras's order. A class of the user's own is searched as Keras searches it: layers in
 * properties, and in arrays and plain objects in properties. Private `#fields` cannot be seen.
 */
export function sublayers(layer: tf.layers.Layer): readonly Sublayer[] {
  if (isContainer(layer)) {
    const taken = new Set<string>();
    return layer.layers.map((child) => ({ segment: layerPath(child, taken), layer: child }));
  }
  if (isRecurrent(layer)) return [{ segment: "", layer: internals<RecurrentInternals>(layer).cell }];
  switch (className(layer)) {
    case "TimeDistributed":
      return [{ segment: "", layer: internals<WrapperInternals>(layer).layer }];
    case "Bidirectional": {
      const { forwardLayer, backwardLayer } = internals<BidirectionalInternals>(layer);
      return [{ segment: "forward", layer: forwardLayer }, { segment: "backward", layer: backwardLayer }];
    }
    case "StackedRNNCells":
      return (internals<CellInternals>(layer).cells ?? []).map((cell, index) => ({
        segment: `cell_${index}`,
        layer: cell,
      }));
  }
  const found: Sublayer[] = [];
  for (const [name, value] of Object.entries(layer)) collect(name, value, found);
  return found;
}

function collect(segment: string, value: unknown, found: Sublayer[]): void {
  if (value instanceof tf.layers.Layer) {
    found.push({ segment: segment.replace(/^_+/, ""), layer: value });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => item instanceof tf.layers.Layer && collect(`${segment}_${index}`, item, found));
  } else if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) {
      if (item instanceof tf.layers.Layer) collect(`${segment}_${key}`, item, found);
    }
  }
}
