/**
 * Callbacks: things to do while a model trains. One file each; they import core and each other's helpers, nothing else.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { earlyStopping, learningRateScheduler } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const { epoch } = await model.fit({ x: [[1], [2]], y: [[1], [2]] }, {
 *   epochs: 3,
 *   verbose: 0,
 *   callbacks: [earlyStopping({ monitor: "loss", patience: 5 }), learningRateScheduler({ schedule: () => 0.01 })],
 * });
 * assertEquals(epoch, [0, 1, 2]);
 * ```
 *
 * @module
 */
import type { Callback } from "../core/callback.ts";
import type { Factories } from "../core/registry.ts";
import { csvLogger } from "./csv_logger.ts";
import { earlyStopping } from "./early_stopping.ts";
import { lambdaCallback } from "./lambda_callback.ts";
import { learningRateScheduler } from "./learning_rate_scheduler.ts";
import { progbarLogger } from "./progbar_logger.ts";
import { reduceLROnPlateau } from "./reduce_lr_on_plateau.ts";
import { remoteMonitor } from "./remote_monitor.ts";
import { swapEMAWeights } from "./swap_ema_weights.ts";
import { terminateOnNaN } from "./terminate_on_nan.ts";

export { csvLogger, type CSVLoggerOptions } from "./csv_logger.ts";
export { earlyStopping, type EarlyStoppingOptions } from "./early_stopping.ts";
export { lambdaCallback, type LambdaCallbackOptions } from "./lambda_callback.ts";
export { learningRateScheduler, type LearningRateSchedulerOptions } from "./learning_rate_scheduler.ts";
export type { MonitorOptions } from "./monitor.ts";
export { progbarLogger, type ProgbarLoggerOptions } from "./progbar_logger.ts";
export { reduceLROnPlateau, type ReduceLROnPlateauOptions } from "./reduce_lr_on_plateau.ts";
export { remoteMonitor, type RemoteMonitorOptions } from "./remote_monitor.ts";
export { swapEMAWeights, type SwapEMAWeightsOptions } from "./swap_ema_weights.ts";
export { terminateOnNaN, type TerminateOnNaNOptions } from "./terminate_on_nan.ts";

/** The built-in callbacks by name. Some need options: `csvLogger` a file name, `learningRateScheduler` a schedule. */
export const callbacks: Factories<Callback> = {
  csvLogger,
  earlyStopping,
  lambdaCallback,
  learningRateScheduler,
  progbarLogger,
  reduceLROnPlateau,
  remoteMonitor,
  swapEMAWeights,
  terminateOnNaN,
};
