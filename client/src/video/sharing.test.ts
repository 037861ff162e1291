import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pictureError } from "./problems";
import { Sharing } from "./sharing";
import { cameraCode, screenCode, type Facing, type Kind, type Picture, type Source, type SourceEvents } from "./source";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class FakeSource {
  closed = 0;
  grabs = 0;
  bytes = 50_000;
  readonly track = { readyState: "live", getSettings: () => ({ deviceId: this.id }) };
  readonly stream = { getVideoTracks: () => [this.track] } as unknown as MediaStream;

  constructor(
    readonly id: string,
    readonly facing: Facing | undefined,
    readonly events: SourceEvents,
  ) {}

  grab(form: { side: number; quality: number }): Promise<Picture | undefined> {
    this.grabs++;
    const bytes = Math.round(this.bytes * (form.side / 768) ** 2 * form.quality);
    return Promise.resolve({ mimeType: "image/jpeg", data: `${this.id} ${this.grabs}`, bytes });
  }
  close(): void {
    this.closed++;
    this.track.readyState = "ended";
  }
}

function setUp() {
  const s = {
    shown: [] as (string | undefined)[],
    sources: [] as FakeSource[],
    stats: { superseded: 0, pictures: 0, pictureMs: 0 },
    asked: [] as string[],
    refuse: undefined as string | undefined,
    hold: undefined as Promise<void> | undefined,
  };
  const open = async (what: string, facing: Facing | undefined, events: SourceEvents): Promise<Source> => {
    s.asked.push(what);
    await s.hold;
    if (s.refuse) throw pictureError(s.refuse);
    const source = new FakeSource(`${s.sources.length}`, facing, events);
    s.sources.push(source);
    return source;
  };
  const sharing = new Sharing(
    {
      sendPicture: (p) => {
        s.shown.push(p?.data);
        if (p) s.stats = { ...s.stats, pictures: s.stats.pictures + 1, pictureMs: s.stats.pictureMs || 100 };
      },
      stats: () => s.stats,
      lost: () => false,
    },
    {
      openCamera: (facing, not, events) => open(`camera ${facing}${not === undefined ? "" : ` not ${not}`}`, facing, events),
      openScreen: (events) => open("screen", undefined, events),
      hasCameras: () => Promise.resolve(true),
    },
    () => 1_048_576,
  );
  const pictures = (): string[] => s.shown.filter((x) => x !== undefined);
  return { ...s, s, sharing, pictures, now: () => sharing.getSnapshot() };
}

describe("sharing", () => {
  it("shows a picture at once and one a second, until it is stopped", async () => {
    const t = setUp();
    await t.sharing.startCamera();
    expect(t.now()).toMatchObject({ on: "camera", facing: "user", canSwitch: true, asking: undefined });
    await vi.advanceTimersByTimeAsync(3100);
    expect(t.pictures()).toEqual(["0 1", "0 2", "0 3", "0 4"]);
    t.sharing.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(t.pictures()).toHaveLength(4);
    expect(t.shown.at(-1), "what waits is not sent").toBeUndefined();
    expect(t.sources[0]!.closed).toBe(1);
    expect(t.now().on).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("shows nothing while it is paused, by the person or by the system, or by both", async () => {
    const t = setUp();
    await t.sharing.startCamera();
    await vi.advanceTimersByTimeAsync(100);
    t.sharing.pause(true);
    expect(t.shown.at(-1)).toBeUndefined();
    t.sources[0]!.events.muted(true);
    expect(t.now().paused).toBe("system");
    t.sources[0]!.events.muted(false);
    expect(t.now().paused).toBe("person");
    await vi.advanceTimersByTimeAsync(3000);
    expect(t.pictures()).toHaveLength(1);
    t.sharing.pause(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(t.pictures().length).toBeGreaterThan(1);
    t.sharing.stop();
  });

  it("switches between the cameras, with one open at a time", async () => {
    const t = setUp();
    await t.sharing.startCamera();
    await t.sharing.switchCamera();
    await t.sharing.switchCamera();
    expect(t.asked).toEqual(["camera user", "camera environment not 0", "camera user not 1"]);
    expect(t.sources.map((x) => x.closed > 0)).toEqual([true, true, false]);
    t.sharing.stop();
  });

  it("ends with a word when the camera is gone, and without one when the person stops the screen in the browser's bar", async () => {
    const t = setUp();
    await t.sharing.startCamera();
    t.sources[0]!.events.ended();
    expect(t.now()).toMatchObject({ on: undefined, problem: { code: "camera_lost" } });
    await t.sharing.startScreen();
    expect(t.now()).toMatchObject({ on: "screen", problem: undefined });
    t.sources[1]!.events.ended();
    expect(t.now()).toMatchObject({ on: undefined, problem: undefined });
    // What is over has no more to say.
    t.sources[0]!.events.muted(true);
    expect(t.now().paused).toBeUndefined();
  });

  it("tells why there is nothing to see; what was shown before goes on", async () => {
    const t = setUp();
    t.s.refuse = "camera_refused";
    await t.sharing.startCamera();
    expect(t.now()).toMatchObject({ on: undefined, problem: { code: "camera_refused" } });
    t.s.refuse = undefined;
    await t.sharing.startCamera();
    t.s.refuse = "screen_refused";
    await t.sharing.startScreen();
    expect(t.now()).toMatchObject({ on: "camera", asking: undefined, problem: { code: "screen_refused" } });
    t.sharing.dismiss();
    expect(t.now()).toMatchObject({ on: "camera", problem: undefined });
    // The other camera is in use, and this one was given up for it.
    t.s.refuse = "camera_busy";
    await t.sharing.switchCamera();
    expect(t.now()).toMatchObject({ on: undefined, problem: { code: "camera_busy" } });
  });

  it("lets go of a camera that is allowed after nobody wants it any more", async () => {
    const t = setUp();
    let allow = (): void => undefined;
    t.s.hold = new Promise((resolve) => (allow = resolve));
    const asked = t.sharing.startCamera();
    expect(t.now().asking).toBe("camera");
    t.sharing.stop();
    allow();
    await asked;
    expect(t.sources[0]!.closed).toBe(1);
    expect(t.now().on).toBeUndefined();
    expect(t.pictures()).toEqual([]);
  });

  it("makes pictures smaller on a slow line", async () => {
    const t = setUp();
    await t.sharing.startCamera();
    t.sources[0]!.bytes = 100_000;
    t.s.stats = { superseded: 0, pictures: 1, pictureMs: 2000 };
    await vi.advanceTimersByTimeAsync(4000);
    // One look, and each time that it did not fit another.
    expect(t.sources[0]!.grabs).toBeGreaterThan(t.pictures().length);
    t.sharing.stop();
  });
});

it("each refusal has its own code", () => {
  const error = (name: string) => new DOMException("", name);
  expect(["NotAllowedError", "NotFoundError", "OverconstrainedError", "NotReadableError"].map((x) => cameraCode(error(x)))).toEqual([
    "camera_refused",
    "camera_missing",
    "camera_missing",
    "camera_busy",
  ]);
  expect(["NotAllowedError", "NotSupportedError", "NotReadableError"].map((x) => screenCode(error(x)))).toEqual([
    "screen_refused",
    "screen_unsupported",
    "screen_busy",
  ]);
  const kinds: Kind[] = ["camera", "screen"];
  for (const kind of kinds) expect(pictureError(`${kind}_busy`).problem).toMatchObject({ code: `${kind}_busy`, tone: "error" });
});
