import { ProblemError } from "@/voice/problem";
import type { Form } from "./fit";
import { pictureError } from "./problems";

export type Kind = "camera" | "screen";

/** Which way a phone's camera looks. */
export type Facing = "user" | "environment";

/** A picture as the protocol takes it. */
export interface Picture {
  readonly mimeType: string;
  /** Base64. */
  readonly data: string;
  readonly bytes: number;
}

/** A camera or a screen that can be looked at until it is closed. */
export interface Source {
  /** For a preview. */
  readonly stream: MediaStream;
  /** Where a camera looks, as far as it tells. */
  readonly facing: Facing | undefined;
  /** What it shows now; undefined: nothing yet, or nothing at the moment. */
  grab(form: Form): Promise<Picture | undefined>;
  close(): void;
}

export interface SourceEvents {
  /** The device is gone, or the person stopped it in the browser's own bar. */
  ended(): void;
  /** The system shows nothing for a while: a phone call, another program, a closed lid. */
  muted(muted: boolean): void;
}

/** More than one picture a second is of no use: the model takes one. */
const frameRate = { ideal: 5, max: 15 };

/** Whether this browser can share a screen; those of phones cannot. */
export function canShareScreen(): boolean {
  return typeof navigator !== "undefined" && typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/** Whether there is more than one camera to choose from. */
export async function hasCameras(atLeast: number): Promise<boolean> {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  return devices.filter((x) => x.kind === "videoinput").length >= atLeast;
}

/**
 * Opens a camera. Rejects with ProblemError. `not` is a camera that is open now: where a device does not tell which way its
 * cameras look, another one is taken.
 */
export async function openCamera(facing: Facing, not: string | undefined, events: SourceEvents): Promise<Source> {
  const { mediaDevices } = navigator;
  if (!mediaDevices?.getUserMedia) throw pictureError("camera_unsupported");
  const video: MediaTrackConstraints = { facingMode: { ideal: facing }, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate };
  if (not) {
    const others = (await mediaDevices.enumerateDevices()).filter((x) => x.kind === "videoinput" && x.deviceId !== not);
    // With two cameras the other one is meant, whatever it is called.
    if (others.length === 1) {
      delete video.facingMode;
      video.deviceId = { exact: others[0]!.deviceId };
    }
  }
  try {
    return await sourceOf(await mediaDevices.getUserMedia({ video }), events);
  } catch (cause) {
    throw cause instanceof ProblemError ? cause : pictureError(cameraCode(cause), cause);
  }
}

/** Opens a screen or a window, as the person chooses. Rejects with ProblemError. Must be called inside a person's gesture. */
export async function openScreen(events: SourceEvents): Promise<Source> {
  if (!canShareScreen()) throw pictureError("screen_unsupported");
  try {
    return await sourceOf(await navigator.mediaDevices.getDisplayMedia({ video: { frameRate }, audio: false }), events);
  } catch (cause) {
    throw cause instanceof ProblemError ? cause : pictureError(screenCode(cause), cause);
  }
}

async function sourceOf(stream: MediaStream, events: SourceEvents): Promise<Source> {
  const [track] = stream.getVideoTracks();
  if (!track) throw pictureError("camera_missing");
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  track.onended = () => events.ended();
  track.onmute = () => events.muted(true);
  track.onunmute = () => events.muted(false);
  const close = (): void => {
    track.onended = track.onmute = track.onunmute = null;
    stream.getTracks().forEach((x) => x.stop());
    video.srcObject = null;
  };
  try {
    await video.play();
  } catch (error) {
    close();
    throw error;
  }
  const { facingMode } = track.getSettings();
  return {
    stream,
    facing: facingMode === "user" || facingMode === "environment" ? facingMode : undefined,
    async grab({ side, quality }) {
      const { videoWidth, videoHeight } = video;
      if (!context || !videoWidth || !videoHeight) return undefined;
      const scale = Math.min(1, side / Math.max(videoWidth, videoHeight));
      canvas.width = Math.max(1, Math.round(videoWidth * scale));
      canvas.height = Math.max(1, Math.round(videoHeight * scale));
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", quality));
      return blob ? { mimeType: blob.type, data: await base64(blob), bytes: blob.size } : undefined;
    },
    close,
  };
}

function base64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** The problem that a refused camera is. */
export function cameraCode(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "camera_refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "camera_missing";
    default:
      return "camera_busy";
  }
}

/** The problem that a refused screen is. Browsers do not tell whether the person or the system said no. */
export function screenCode(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "AbortError":
    case "InvalidStateError":
      return "screen_refused";
    case "NotSupportedError":
    case "NotFoundError":
      return "screen_unsupported";
    default:
      return "screen_busy";
  }
}
