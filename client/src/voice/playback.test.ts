import { afterEach, expect, it, vi } from "vitest";
import { openSpeaker } from "./playback";

afterEach(() => void vi.unstubAllGlobals());

/** A context whose worklet loads; `node` is what it then makes. */
function contextWith(node: () => object): AudioContext {
  vi.stubGlobal("AudioWorkletNode", function () {
    return node();
  });
  return { audioWorklet: { addModule: () => Promise.resolve() } } as unknown as AudioContext;
}

it("tells when the worklet is loaded and cannot be used", async () => {
  const failed = vi.fn();
  const context = contextWith(() => {
    throw new Error("The processor is not registered.");
  });
  openSpeaker(context, () => undefined, failed);
  await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce());
});

it("tells when the worklet breaks in mid-conversation", async () => {
  const failed = vi.fn();
  const node = { port: {}, connect: vi.fn(), disconnect: vi.fn(), onprocessorerror: (): void => expect.fail("not watched") };
  const speaker = openSpeaker(contextWith(() => node), () => undefined, failed);
  await vi.waitFor(() => expect(node.connect).toHaveBeenCalled());
  node.onprocessorerror();
  expect(failed).toHaveBeenCalledOnce();
  speaker.close();
  node.onprocessorerror();
  expect(failed).toHaveBeenCalledOnce();
});
