// The part of AudioWorkletGlobalScope that the worklets use; TypeScript's own libraries do not have it.

/** The context's rate in Hz. */
declare const sampleRate: number;

declare class AudioWorkletProcessor {
  readonly port: {
    onmessage: ((event: { readonly data: unknown }) => void) | null;
    postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  };
}

declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions?: unknown }) => AudioWorkletProcessor & {
    /** Called for every 128 samples; false lets the browser drop the node. */
    process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean;
  },
): void;
