import { type Optimizer, type StepVariable, type Tensor, tf } from "../../core/mod.ts";
type Options = { learningRate?: number | ((step: number) => number) };
export function sgd({ learningRate = 0.01 }: Options = {}): Optimizer {
  return {
    name: "sgd",
    learningRate,
    iterations: 0,
    columns: ["learningRate"],
    row(i) {
      return [typeof this.learningRate === "function" ? this.learningRate(i) : this.learningRate];
    },
    build: () => [],
    apply(gradients, variables, { learningRate }) {
      tf.tidy(() =>
        gradients.forEach((g, i) => {
          if (g) variables[i]!.variable.assign(tf.sub(variables[i]!.variable, tf.mul(g, learningRate!)));
        })
      );
    },
    dispose() {},
  };
}
export function adam({ learningRate = 0.001 }: Options = {}): Optimizer {
  let slots: StepVariable[] = [];
  return {
    name: "adam",
    learningRate,
    iterations: 0,
    columns: ["rate"],
    row(i) {
      const lr = typeof this.learningRate === "function" ? this.learningRate(i) : this.learningRate;
      return [lr * Math.sqrt(1 - 0.999 ** (i + 1)) / (1 - 0.9 ** (i + 1))];
    },
    build(vars) {
      if (slots.length === 0) {
        slots = vars.flatMap(({ path, variable }) =>
          ["m", "v"].map((n) => ({
            path: `adam/${path}/${n}`,
            variable: tf.tidy(() => tf.variable(tf.zeros(variable.shape), false)),
            role: "slot" as const,
            acrossReplicas: "mirrored" as const,
          }))
        );
      }
      return slots;
    },
    apply(gradients, variables, { rate }) {
      tf.tidy(() =>
        gradients.forEach((g: Tensor | null, i) => {
          if (!g) return;
          const m = slots[2 * i]!.variable, v = slots[2 * i + 1]!.variable, w = variables[i]!.variable;
          m.assign(tf.add(tf.mul(m, 0.9), tf.mul(g, 0.1)));
          v.assign(tf.add(tf.mul(v, 0.999), tf.mul(tf.square(g), 0.001)));
          w.assign(tf.sub(w, tf.div(tf.mul(m, rate!), tf.add(tf.sqrt(v), 1e-7))));
        })
      );
    },
    dispose() {
      slots.forEach(({ variable }) => variable.dispose());
      slots = [];
    },
  };
}
