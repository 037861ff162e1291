// A call in a real browser: the world that tests replace.
import { createSession } from "./api";
import { openAudio, type Devices } from "./audio";
import { Call } from "./call";
import type { CallWorld } from "./run";
import { keepIn } from "./saved";
import type { Server } from "./server";
import type { Tap } from "./tap";

/** No device is chosen: the system's own are taken. */
const systemDevices = (): Devices => ({ microphone: "", speaker: "" });

/** The world of a call in a real browser. A tap sees what goes over the line; `devices` are those that the person chose. */
export function browserWorld(server: Server, tap?: Tap, devices = systemDevices): CallWorld {
  return {
    openAudio: (events) => openAudio(tap?.audio(events) ?? events, devices),
    createSession: (signal) => createSession(server, signal),
    openSocket({ url, protocols }) {
      const socket = new WebSocket(url, [...protocols]);
      return tap?.socket(socket) ?? socket;
    },
    keep: keepIn(() => window.sessionStorage, Date.now, () => performance.now()),
    now: () => performance.now(),
    wall: Date.now,
  };
}

/** Makes a call; nothing is opened before it is started, so this may run where there is no browser yet. */
export function createCall(server: Server, tap?: Tap, devices = systemDevices): Call {
  return new Call(browserWorld(server, tap, devices));
}
