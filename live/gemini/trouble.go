package gemini

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"golang.org/x/oauth2"
)

// What an upstream can end with without the model having said why; errors.Is finds them.
var (
	// ErrSilent means that the model did not accept the setup before the connection was woken.
	ErrSilent = errors.New("the model has not answered the setup")
	// ErrWoken means that a connection that was live was woken, and is therefore over.
	ErrWoken = errors.New("the connection to the model was given up")
	// ErrNotJSON means that a message of the model could not be read.
	ErrNotJSON = errors.New("a message of the model could not be read")
	// ErrAbnormal means that the connection ended without a close frame (1006).
	ErrAbnormal = errors.New("the connection to the model ended without a goodbye")

	errClosed       = errors.New("the connection to the model is closed")
	errDialerClosed = errors.New("the dialer is closed")
)

// A rule says what a text of the model means. The text decides, the close code only where no text matches:
// Google derives codes from gRPC statuses, so that one code stands for things as different as a bad key and a
// handle that has expired.
type rule struct {
	text   string // in lower case: found anywhere in the reason
	fault  live.UpstreamFault
	detail string // for the person; what the model said is added where it helps: see quotes
}

// rules are matched in order. Where each text was seen stands beside it; close reasons are cut at 123 bytes, so
// only beginnings count.
var rules = []rule{
	{"api key was reported as leaked", live.FaultAuth, "The API key was reported as leaked and is blocked."}, // REST, ai.google.dev
	{"api key expired", live.FaultAuth, "The API key has expired."},                                          // REST
	{"api key not valid", live.FaultAuth, "The API key is not valid."},                                       // 1007, wire probe
	{"api_key_invalid", live.FaultAuth, "The API key is not valid."},                                         // REST details
	{"unregistered callers", live.FaultAuth, "The model was called without an API key or a valid token."},    // 1008, wire probe
	{"invalid authentication credentials", live.FaultAuth, "The credentials were not accepted."},             // REST 401
	{"unauthenticated", live.FaultAuth, "The credentials were not accepted."},
	{"has not been used in project", live.FaultAuth, "The API is not enabled in the project."},                      // 1008
	{"it is disabled", live.FaultAuth, "The API is not enabled in the project."},                                    // the same, cut off
	{"publisher model", live.FaultRejected, "The model does not exist in this location, or may not be used there."}, // 1008, adk-python 3314; before "permission denied"
	{"permission denied", live.FaultAuth, "The credentials do not allow the use of the model."},                     // 1008, generative-ai 3061
	{"permission_denied", live.FaultAuth, "The credentials do not allow the use of the model."},
	{"requires a quota project", live.FaultAuth, "The credentials name no project to be billed."}, // REST 403 with a person's credentials
	{"requires billing", live.FaultAuth, "Billing is not enabled in the project."},                // REST 403
	{"billing", live.FaultQuota, "The model's quota is used up."},                                 // "check your plan and billing details"
	{"quota", live.FaultQuota, "The model's quota is used up."},                                   // 1011, interpretab
	{"resource exhausted", live.FaultQuota, "The model's quota is used up."},
	{"resource_exhausted", live.FaultQuota, "The model's quota is used up."},
	{"too many requests", live.FaultQuota, "The model's quota is used up."},
	{"user location is not supported", live.FaultRejected, "The model may not be used from where the server stands."},    // 1007, cookbook 781
	{"is not found for api version", live.FaultRejected, "The model does not exist, or cannot hold live conversations."}, // 1008, wire probe
	{"not supported for bidigeneratecontent", live.FaultRejected, "The model does not exist, or cannot hold live conversations."},
	{"invalid session handle", live.FaultDeadHandle, "The conversation that was to be resumed is not known any more."}, // 1007
	{"session not found", live.FaultDeadHandle, "The conversation that was to be resumed is not known any more."},      // 1008, wire probe
	{"requested entity was not found", live.FaultDeadHandle, "The conversation that was to be resumed is not known any more."},
	{"goaway", live.FaultBroken, "The connection to the model had reached its maximum age."},                             // 1008 at the deadline
	{"operation was aborted", live.FaultBroken, "The model closed the connection: it had heard nothing for long."},       // 1008 after 150 s
	{"operation is not implemented", live.FaultBroken, "The model closed the connection in the middle of a tool call."},  // 1008, js-genai 1236
	{"unsupported language code", live.FaultRejected, "The model does not take this language."},                          // 1007
	{"no matching speaker voice", live.FaultRejected, "The model does not have this voice."},                             // 1007, interpretab
	{"cannot extract voices", live.FaultRejected, "The model answers in audio only."},                                    // 1007
	{"combination of response modalities", live.FaultRejected, "The model does not answer in this modality."},            // 1007
	{"invalid json payload", live.FaultRejected, "The model did not understand a message."},                              // 1007, wire probe
	{"setup must be the first", live.FaultRejected, "The model did not accept the order of messages."},                   // 1007
	{"is deprecated", live.FaultRejected, "The model does not take a message of this kind any more."},                    // 1007, mastra 18287
	{"explicit activity control", live.FaultRejected, "Push-to-talk is not possible while the model listens by itself."}, // 1007
	{"precondition check failed", live.FaultRejected, "The model refused what was sent."},                                // 1007, wire probe
	{"invalid argument", live.FaultRejected, "The model refused what was sent."},                                         // 1007, cookbook 781
	{"internal error", live.FaultBroken, "The model had an internal error."},                                             // 1011, python-genai 985
	{"currently unavailable", live.FaultBroken, "The model is unavailable at the moment."},                               // 1011, python-genai 760
	{"overloaded", live.FaultBroken, "The model is overloaded at the moment."},                                           // REST 503
	{"deadline expired", live.FaultBroken, "The model took too long."},                                                   // 1011
	{"deadline_exceeded", live.FaultBroken, "The model took too long."},                                                  // 1011, cookbook 387
}

// quotes reports whether what the model said helps the person: it names what was refused. What it says about
// credentials is for the operator alone.
func quotes(f live.UpstreamFault) bool { return f == live.FaultRejected }

// match finds the rule for a text.
func match(text string) *rule {
	text = strings.ToLower(text)
	for i := range rules {
		if strings.Contains(text, rules[i].text) {
			return &rules[i]
		}
	}
	return nil
}

// closeTrouble classifies a close frame of the model; ready says whether it had accepted the setup. A text that
// nobody has seen yet is judged by the code and, for 1008, which stands for permission as for an abort, by
// whether the conversation had begun.
func closeTrouble(code int, text string, ready bool) *live.UpstreamError {
	e := &live.UpstreamError{Close: code, Err: &frame.CloseError{Code: code, Text: scrub(text)}}
	switch r := match(text); {
	case code == 1000:
		e.Fault, e.Detail = live.FaultEnded, "The model ended the conversation."
		return e
	case r != nil:
		e.Fault, e.Detail = r.fault, r.detail
	case code == 1007, code == 1009, code == 1003, code == 1008 && !ready:
		e.Fault, e.Detail = live.FaultRejected, "The model refused what was sent."
	case code == 1011, code == 1012, code == 1013, code == 1014:
		e.Fault, e.Detail = live.FaultBroken, "The model is unavailable at the moment."
	default:
		e.Fault, e.Detail = live.FaultBroken, "The model closed the connection."
	}
	e.Detail = withQuote(e.Detail, e.Fault, text)
	return e
}

// statusTrouble classifies a google.rpc.Status, as the "error" member of a message or of an HTTP answer holds it.
func statusTrouble(s *statusError) *live.UpstreamError {
	e := &live.UpstreamError{Err: fmt.Errorf("the model answered %d %s: %s", s.Code, s.Status, scrub(s.Message))}
	r := match(s.Message)
	if r == nil {
		r = match(s.Status)
	}
	if r != nil {
		e.Fault, e.Detail = r.fault, r.detail
	} else {
		e.Fault, e.Detail = httpFault(s.Code)
	}
	e.Detail = withQuote(e.Detail, e.Fault, s.Message)
	return e
}

// httpFault classifies an HTTP status by itself.
func httpFault(status int) (live.UpstreamFault, string) {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return live.FaultAuth, "The credentials do not allow the use of the model."
	case status == http.StatusTooManyRequests:
		return live.FaultQuota, "The model's quota is used up."
	case status == http.StatusNotFound:
		return live.FaultRejected, "The model, or the version of its API, does not exist."
	case status == http.StatusRequestTimeout, status >= 500, status == 0:
		return live.FaultBroken, "The model is unavailable at the moment."
	default:
		return live.FaultRejected, "The model refused the request."
	}
}

// withQuote adds what the model said.
func withQuote(detail string, f live.UpstreamFault, said string) string {
	if said = strings.TrimSpace(scrub(said)); said == "" || !quotes(f) {
		return detail
	}
	const most = 300
	if r := []rune(said); len(r) > most {
		said = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%s It says: %q", detail, said)
}

// dialTrouble classifies a failed attempt to open a connection to host. Only what is between us and the model is
// judged here; what the model says about a setup comes as a close.
func dialTrouble(err error, host string) *live.UpstreamError {
	e := &live.UpstreamError{Fault: live.FaultBroken, Err: scrubbed{err}}
	var (
		status    *httpError
		token     *tokenError
		secure    *tlsError
		unknown   x509.UnknownAuthorityError
		name      x509.HostnameError
		untrusted *tls.CertificateVerificationError
		plain     tls.RecordHeaderError
		dns       *net.DNSError
	)
	switch {
	case errors.Is(err, errDialerClosed):
		e.Detail = "Connecting to the model was given up."
	case errors.As(err, &status):
		if fault := jsonFailure(status.body); fault != nil {
			fault.Code = status.status
			e = statusTrouble(fault)
			e.Err = scrubbed{err}
			return e
		}
		e.Fault, e.Detail = httpFault(status.status)
		e.Detail = fmt.Sprintf("%s (%s answered the WebSocket handshake with HTTP %d.)", e.Detail, host, status.status)
	case errors.As(err, &token):
		return tokenTrouble(token.err)
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &untrusted):
		e.Detail = fmt.Sprintf("The certificate of %s is not trusted.", host)
	case errors.As(err, &plain):
		e.Detail = fmt.Sprintf("%s does not speak TLS.", host)
	case errors.As(err, &secure) && !isTimeout(err):
		e.Detail = fmt.Sprintf("The TLS handshake with %s failed.", host)
	case errors.As(err, &dns) && !dns.IsTimeout:
		e.Detail = fmt.Sprintf("The name %s could not be resolved.", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = fmt.Sprintf("%s refused the connection.", host)
	case isTimeout(err):
		e.Detail = fmt.Sprintf("%s did not answer in time.", host)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Detail = fmt.Sprintf("%s closed the connection during the handshake.", host)
	default:
		e.Detail = fmt.Sprintf("%s could not be reached.", host)
	}
	return e
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errHandshakeTimeout) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// tokenTrouble classifies a failure to get an access token: credentials that are missing or refused are the
// operator's business, a token server that cannot be reached heals.
func tokenTrouble(err error) *live.UpstreamError {
	e := &live.UpstreamError{Fault: live.FaultAuth, Detail: "The server has no valid credentials for Vertex AI.", Err: scrubbed{err}}
	var refused *oauth2.RetrieveError
	var network net.Error
	switch {
	case errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode >= 500,
		!errors.As(err, &refused) && errors.As(err, &network),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), isTimeout(err), errors.Is(err, errDialerClosed):
		e.Fault, e.Detail = live.FaultBroken, "An access token for Vertex AI could not be fetched."
	}
	return e
}

// readTrouble classifies the end of a connection that said nothing about why.
func readTrouble(err error) *live.UpstreamError {
	var violation *frame.Error
	if errors.As(err, &violation) {
		e := &live.UpstreamError{Fault: live.FaultBroken, Err: err, Detail: "The model violated the WebSocket protocol."}
		if violation.Code == frame.CodeTooLarge {
			e.Detail = "The model sent a message that is too long."
		}
		return e
	}
	return &live.UpstreamError{
		Fault:  live.FaultBroken,
		Detail: "The connection to the model broke without a goodbye.",
		Err:    fmt.Errorf("%w: %w", ErrAbnormal, err),
	}
}

// writeTrouble classifies a message that could not be written.
func writeTrouble(err error) *live.UpstreamError {
	e := &live.UpstreamError{Fault: live.FaultBroken, Detail: "The connection to the model broke.", Err: err}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Detail = "The model did not take what was said in time."
	}
	return e
}

// elsewhere reports whether another key or another location may do better.
func elsewhere(e *live.UpstreamError, vertex bool) bool {
	switch e.Fault {
	case live.FaultQuota, live.FaultAuth, live.FaultBroken:
		return true
	case live.FaultRejected:
		// Not every location of Vertex AI hosts every model.
		return vertex && (strings.Contains(e.Detail, "does not exist") || strings.Contains(e.Detail, "may not be used"))
	default:
		return false
	}
}
