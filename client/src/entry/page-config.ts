import type { PageConfig } from "next";

/** `config` of a page that Next only draws. `maxDuration` is for the type check of Next's build: it wants a property that both know. */
export type DrawnOnly = Pick<PageConfig, "unstable_runtimeJS" | "maxDuration">;
