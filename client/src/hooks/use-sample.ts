"use client";

import { useEffect, useRef, useState } from "react";
import { browserWorld } from "@/voice/browser";
import type { Problem } from "@/voice/problem";
import type { SessionConfig } from "@/voice/protocol";
import { playSample } from "@/voice/sample";
import { server } from "./use-call";
import { settings } from "./use-settings";

export interface Sample {
  readonly state: "silent" | "asking" | "sounding" | "simulated";
  readonly problem: Problem | undefined;
  /** Plays the sample, or stops it. Call it inside a gesture. */
  press(): void;
}

/** A voice that can be heard; whoever leaves it wants to hear no more. */
export function useSample(config: SessionConfig): Sample {
  const [state, setState] = useState<Sample["state"]>("silent");
  const [problem, setProblem] = useState<Problem>();
  const stop = useRef<() => void>(undefined);
  useEffect(() => () => stop.current?.(), []);
  const press = (): void => {
    if (state !== "silent") return stop.current?.();
    setProblem(undefined);
    setState("asking");
    stop.current = playSample(browserWorld(server, undefined, settings.get), config, {
      sounding: (simulated) => setState(simulated ? "simulated" : "sounding"),
      over(why) {
        stop.current = undefined;
        setState("silent");
        setProblem(why);
      },
    });
  };
  return { state, problem, press };
}
