/** What somebody needs who asks for help with a problem. */
export function Report({ code, sessionId = "", className = "" }: { code: string; sessionId?: string | undefined; className?: string }) {
  return (
    <details className={`text-sm text-muted ${className}`}>
      <summary className="inline-block rounded-full px-3 py-1.5">For a report</summary>
      <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-left">
        <dt>Code</dt>
        <dd className="font-mono text-ink" data-fact="Code">
          {code}
        </dd>
        {sessionId && (
          <>
            <dt>Session</dt>
            <dd className="font-mono wrap-anywhere text-ink" data-fact="Problem session">
              {sessionId}
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}
