import { afterEach, describe, expect, it, vi } from "vitest";
import { openMicrophone } from "./capture";

afterEach(() => void vi.unstubAllGlobals());

function setUp(loads: Promise<void>) {
  const track = { stopped: 0, stop: () => void track.stopped++ };
  let allow = (): void => expect.fail("nobody asked for the microphone");
  vi.stubGlobal("navigator", {
    mediaDevices: {
      getUserMedia: () =>
        new Promise((resolve) => {
          allow = () => resolve({ getTracks: () => [track], getAudioTracks: () => [track] });
        }),
    },
  });
  const context = { audioWorklet: { addModule: () => loads } } as unknown as AudioContext;
  const abort = new AbortController();
  const opened = openMicrophone(context, "", { frame: () => undefined, lost: () => undefined, held: () => undefined }, abort.signal);
  return { track, abort, opened, allow: () => allow() };
}

describe("openMicrophone", () => {
  it("lets go of a device that is allowed after the call was left, though its worklet never loads", async () => {
    const s = setUp(new Promise(() => undefined));
    s.abort.abort();
    s.allow();
    await expect(s.opened).rejects.toMatchObject({ name: "AbortError" });
    expect(s.track.stopped).toBe(1);
  });

  it("lets go of a device when the call is left while the worklet loads", async () => {
    const s = setUp(new Promise(() => undefined));
    s.allow();
    await Promise.resolve();
    s.abort.abort();
    await expect(s.opened).rejects.toMatchObject({ name: "AbortError" });
    expect(s.track.stopped).toBe(1);
  });

  it("lets go of a device whose worklet cannot be loaded", async () => {
    const s = setUp(Promise.reject(new Error("404")));
    s.allow();
    await expect(s.opened).rejects.toMatchObject({ problem: { code: "audio_failed" } });
    expect(s.track.stopped).toBe(1);
  });
});
