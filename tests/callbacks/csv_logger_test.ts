import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { csvLogger, type CSVLoggerOptions } from "@stride/stride/callbacks";
import { CallbackError, type Logs } from "@stride/stride/core";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";

const FOLDER = await Deno.makeTempDir({ prefix: "stride_csv_" });
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
let files = 0;

callbackContract("csvLogger()", () => csvLogger({ filename: `${FOLDER}/contract.csv` }));

function freshFile(): string {
  return `${FOLDER}/${files++}.csv`;
}

async function train(options: CSVLoggerOptions, epochs: readonly Logs[], firstEpoch = 0): Promise<string> {
  const run = fakeRun();
  await driveFit(csvLogger(options), run, epochs, { firstEpoch });
  run.dispose();
  return await Deno.readTextFile(options.filename);
}

Deno.test("csvLogger() writes Keras's file when validation runs every other epoch", async () => {
  const without = { mae: 2, loss: 4 };
  assertEquals(
    await train({ filename: freshFile() }, [without, { ...without, val_mae: 2, val_loss: 4 }, without]),
    "epoch,loss,mae,val_loss,val_mae\n0,4.0,2.0,NA,NA\n1,4.0,2.0,4.0,2.0\n2,4.0,2.0,NA,NA\n",
  );
});

Deno.test("csvLogger() takes the columns of the first epoch when it was validated", async () => {
  assertEquals(
    await train({ filename: freshFile() }, [{ val_loss: 1, loss: 2 }, { loss: 3, more: 4 }]),
    "epoch,loss,val_loss\n0,2.0,1.0\n1,3.0,NA\n",
  );
});

// What Python prints for these numbers.
Deno.test("csvLogger() writes numbers as Python does", async () => {
  const values = [0.1, 1e-5, 0.0001, 1e16, 123456789012345680, 1e15, -2, 0, NaN, Infinity, 1.4210855e-13];
  const text = await train({ filename: freshFile() }, values.map((loss) => ({ loss })));
  assertEquals(
    text.trimEnd().split("\n").slice(1).map((line) => line.split(",")[1]),
    [
      "0.1",
      "1e-05",
      "0.0001",
      "1e+16",
      "1.2345678901234568e+17",
      "1000000000000000.0",
      "-2.0",
      "0.0",
      "nan",
      "inf",
      "1.4210855e-13",
    ],
  );
});

Deno.test("csvLogger() replaces the file of an earlier run, or goes on in it when append is set", async () => {
  const filename = freshFile();
  await train({ filename }, [{ loss: 1 }]);
  assertEquals(await train({ filename }, [{ loss: 2 }]), "epoch,loss,val_loss\n0,2.0,NA\n");
  assertEquals(
    // Other columns than those in the file: rows stay under their header.
    await train({ filename, append: true }, [{ learning_rate: 9, loss: 3, val_loss: 4 }], 1),
    "epoch,loss,val_loss\n0,2.0,NA\n1,3.0,4.0\n",
  );
});

Deno.test("csvLogger() writes a header when it appends to a file that is not there", async () => {
  assertEquals(await train({ filename: freshFile(), append: true }, [{ loss: 1 }]), "epoch,loss,val_loss\n0,1.0,NA\n");
});

Deno.test("csvLogger() quotes names that hold the separator, and finds them again", async () => {
  const filename = freshFile();
  const options = { filename, separator: ";", append: true };
  await train(options, [{ 'a;"b"': 1 }]);
  assertEquals(
    await train(options, [{ 'a;"b"': 2 }], 1),
    'epoch;"a;""b""";"val_a;""b"""\n0;1.0;NA\n1;2.0;NA\n',
  );
});

Deno.test("csvLogger() goes on in its file when training resumes, without rows that are trained again", async () => {
  const filename = freshFile();
  const run = fakeRun();
  const first = csvLogger({ filename });
  await first.onTrainBegin!({}, run.context);
  await first.onEpochEnd!({ epoch: 0, logs: { loss: 1 } }, run.context);
  const saved = JSON.parse(JSON.stringify(await first.state!.save()));
  await first.onEpochEnd!({ epoch: 1, logs: { loss: 2 } }, run.context);
  // Killed here: epoch 1 is trained again.
  const second = csvLogger({ filename });
  second.state!.load(saved);
  await driveFit(second, run, [{ loss: 3 }, { loss: 4 }], { firstEpoch: 1 });
  assertEquals(await Deno.readTextFile(filename), "epoch,loss,val_loss\n0,1.0,NA\n1,3.0,NA\n2,4.0,NA\n");
  run.dispose();
});

Deno.test("csvLogger() writes nothing when this replica is not the chief", async () => {
  const filename = freshFile();
  const run = fakeRun({ chief: false });
  await driveFit(csvLogger({ filename }), run, [{ loss: 1 }]);
  await assertRejects(() => Deno.stat(filename), Deno.errors.NotFound);
  run.dispose();
});

Deno.test("csvLogger() fails before the first epoch when the file cannot be written", async () => {
  assertThrows(() => csvLogger(undefined as never), TypeError, "found no filename");
  const run = fakeRun();
  const callback = csvLogger({ filename: `${FOLDER}/missing/log.csv` });
  const error = await assertRejects(() => driveFit(callback, run, []), CallbackError);
  assertEquals(error.hook, "onTrainBegin");
  run.dispose();
});
