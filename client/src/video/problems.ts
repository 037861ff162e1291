// What can go wrong with a camera or a screen, in the words of the person it happens to. The conversation goes on.
import { ProblemError, type Problem } from "@/voice/problem";

const words: Readonly<Record<string, Pick<Problem, "title" | "detail" | "next">>> = {
  camera_refused: {
    title: "The camera is blocked",
    detail: "This page was not allowed to use your camera.",
    next: "Allow it with the icon beside the address, then press Camera again.",
  },
  camera_missing: {
    title: "No camera found",
    detail: "Your browser found no camera on this device.",
    next: "Connect one, then press Camera again.",
  },
  camera_busy: {
    title: "The camera is in use",
    detail: "Your device would not hand over its camera; another program may be holding it.",
    next: "Close other video calls, then press Camera again.",
  },
  camera_lost: {
    title: "The camera is gone",
    detail: "It was disconnected, or taken by the system.",
    next: "Connect it, then press Camera again.",
  },
  camera_unsupported: {
    title: "No camera in this browser",
    detail: "It gives pages no camera.",
    next: "Use a current version of Chrome, Edge, Firefox or Safari.",
  },
  screen_refused: {
    title: "Nothing is shared",
    detail: "No screen or window was chosen, or your system does not let the browser record it.",
    next: "Press Screen to choose one.",
  },
  screen_unsupported: {
    title: "No screen to share",
    detail: "This browser or device cannot share its screen.",
    next: "Use a browser on a computer.",
  },
  screen_busy: {
    title: "The screen could not be shared",
    detail: "Your system would not hand it over.",
    next: "Press Screen to try again.",
  },
};

export function pictureProblem(code: string): Problem {
  const known = words[code] ? code : "camera_busy";
  return { code: known, ...words[known]!, tone: "error", canType: false };
}

export function pictureError(code: string, cause?: unknown): ProblemError {
  return new ProblemError(pictureProblem(code), { cause });
}
