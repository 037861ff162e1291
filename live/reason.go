package live

import (
	"errors"
	"fmt"
)

// Reason is why a session, or a browser's connection to it, ended: the code that the browser, the log line, the
// metrics and REST agree on, and the WebSocket close that goes with it. Close codes from 4000 to 4499 say "come
// back", those from 4500 to 4999 say "do not". Text is short, fixed and free of internals.
type Reason struct {
	Code  string // error code of the protocol
	Close int    // WebSocket close code; 0: no close frame can be sent
	Kept  bool   // a resumable session outlives this connection
	Text  string // what a close frame says, and a person reads when there is nothing more exact
}

// The table of docs/protocol.md ("How it ends"); a test keeps both equal.
var (
	ReasonEnded               = Reason{"ended", 1000, false, "The conversation is over."}
	ReasonProtocolError       = Reason{"protocol_error", 1002, false, "The WebSocket protocol was violated."}
	ReasonBadMessage          = Reason{"bad_message", 1007, false, "Too many messages in a row could not be read."}
	ReasonBadUTF8             = Reason{"bad_utf8", 1007, false, "A text message was not valid UTF-8."}
	ReasonBadAudio            = Reason{"bad_audio", 1007, false, "The audio could not be used."}
	ReasonFrameTooLarge       = Reason{"frame_too_large", 1009, false, "A message was too large."}
	ReasonInternal            = Reason{"internal", 1011, true, "Something went wrong on the server."}
	ReasonServerDraining      = Reason{"server_draining", 1012, true, "The server is restarting: connect again."}
	ReasonAtCapacity          = Reason{"at_capacity", 1013, true, "The server is full: try again soon."}
	ReasonSessionElsewhere    = Reason{"session_elsewhere", 1013, true, "The conversation lives on another instance: try again."}
	ReasonSlowClient          = Reason{"slow_client", 4000, true, "The connection could not keep up with the audio."}
	ReasonUpstreamUnavailable = Reason{"upstream_unavailable", 4001, false, "The model cannot be reached."}
	ReasonUpstreamQuota       = Reason{"upstream_quota", 4002, false, "The model's quota is used up: try again later."}
	ReasonRateLimited         = Reason{"rate_limited", 4003, false, "Too much was sent too fast."}
	ReasonBrowserGone         = Reason{"browser_gone", 0, false, "The browser went away."}
	ReasonMaxDuration         = Reason{"max_duration", 4500, false, "The conversation has reached its maximum duration."}
	ReasonUpstreamRejected    = Reason{"upstream_rejected", 4501, false, "The model refused the request."}
	ReasonUpstreamAuth        = Reason{"upstream_auth", 4502, false, "The server is not allowed to use the model: its operator must act."}
	ReasonNotAllowed          = Reason{"not_allowed", 4503, false, "A setting is not allowed."}
	ReasonBadConfig           = Reason{"bad_config", 4503, false, "A setting is not valid."}
	ReasonUnauthorized        = Reason{"unauthorized", 4504, false, "The ticket is missing, expired, used up or forged."}
	ReasonReplaced            = Reason{"replaced", 4505, true, "The conversation goes on in another connection."}
	ReasonSessionNotFound     = Reason{"session_not_found", 4506, false, "There is no conversation to resume: start anew."}
	ReasonEndedByOperator     = Reason{"ended_by_operator", 4507, false, "The conversation was ended by the operator."}
	ReasonBudgetSpent         = Reason{"budget_spent", 4508, false, "The conversation's budget is used up."}
	ReasonIdleTimeout         = Reason{"idle_timeout", 4509, false, "Nothing was said for too long."}
)

// Reasons lists every reason, in the order of the protocol's table.
func Reasons() []Reason {
	return []Reason{
		ReasonEnded, ReasonProtocolError, ReasonBadMessage, ReasonBadUTF8, ReasonBadAudio, ReasonFrameTooLarge,
		ReasonInternal, ReasonServerDraining, ReasonAtCapacity, ReasonSessionElsewhere, ReasonSlowClient,
		ReasonUpstreamUnavailable, ReasonUpstreamQuota, ReasonRateLimited, ReasonBrowserGone, ReasonMaxDuration,
		ReasonUpstreamRejected, ReasonUpstreamAuth, ReasonNotAllowed, ReasonBadConfig, ReasonUnauthorized,
		ReasonReplaced, ReasonSessionNotFound, ReasonEndedByOperator, ReasonBudgetSpent, ReasonIdleTimeout,
	}
}

// Retryable reports whether a client that comes back may succeed without anything being changed.
func (r Reason) Retryable() bool {
	switch {
	case r.Close >= 1011 && r.Close <= 1013, r.Close >= 4000 && r.Close < 4500:
		return true
	default:
		return false
	}
}

// UpstreamFault says what a session can do about an upstream that failed.
type UpstreamFault uint8

// The faults, from the most to the least hopeful.
const (
	// FaultBroken can heal by a new connection with the newest handle: the network, a go-away, an internal error.
	FaultBroken UpstreamFault = iota
	// FaultDeadHandle means that the handle is not known any more: a new connection must start fresh.
	FaultDeadHandle
	// FaultQuota is a quota or a limit on concurrent sessions: another key or location may help, haste does not.
	FaultQuota
	// FaultRejected means that the setup or the content was refused: trying again gets the same answer.
	FaultRejected
	// FaultAuth means that the server's own credentials were refused.
	FaultAuth
	// FaultEnded is an orderly end by the upstream (close 1000).
	FaultEnded
)

// UpstreamError is what a Dialer or an Upstream reports when a connection cannot be opened or has ended.
type UpstreamError struct {
	Fault UpstreamFault
	// Detail is a sentence for the person who talks: what failed and, where it helps, what the upstream said,
	// scrubbed of credentials. It is not told for FaultAuth.
	Detail string
	// Close is the upstream's close code, or 0 when the connection ended without one.
	Close int
	// Err is the cause, for the log; it holds no credentials either. May be nil.
	Err error
}

// Error says it for a log line.
func (e *UpstreamError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Detail, e.Err)
	}
	return e.Detail
}

// Unwrap gives the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Reason is how a session ends that cannot heal this error.
func (e *UpstreamError) Reason() Reason {
	switch e.Fault {
	case FaultQuota:
		return ReasonUpstreamQuota
	case FaultRejected:
		return ReasonUpstreamRejected
	case FaultAuth:
		return ReasonUpstreamAuth
	default:
		return ReasonUpstreamUnavailable
	}
}

// asUpstreamError makes every error of an upstream one that says what to do: those that do not are a broken connection.
func asUpstreamError(err error) *UpstreamError {
	var up *UpstreamError
	if errors.As(err, &up) {
		return up
	}
	return &UpstreamError{Fault: FaultBroken, Detail: "The connection to the model broke.", Err: err}
}
