package gemini

import (
	"strings"
	"testing"

	"github.com/stonepot/stonepot/live"
)

// closes are the close frames seen on the wire, as the reason reads there (cut at 123 bytes).
var closes = []struct {
	code  int
	text  string
	ready bool
	fault live.UpstreamFault
}{
	{1007, "API key not valid. Please pass a valid API key.", false, live.FaultAuth},
	{1008, "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API c", false, live.FaultAuth},
	{1008, "Permission denied on resource project my-project.", false, live.FaultAuth},
	{1008, "Generative Language API has not been used in project 123456789012 before or it is disabled. Enable it by visiting https://co", false, live.FaultAuth},
	{1008, "Your API key was reported as leaked. Please use another API key.", false, live.FaultAuth},
	{1007, "User location is not supported for the API use.", false, live.FaultRejected},
	{1008, "models/gemini-9 is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ModelService", false, live.FaultRejected},
	{1008, "Publisher Model `projects/p/locations/us-central1/publishers/google/models/gemini-9` was not found or your project does not", false, live.FaultRejected},
	{1007, `Invalid JSON payload received. Unknown name "bogusField" at 'setup': Cannot find field.`, false, live.FaultRejected},
	{1007, "Request contains an invalid argument.", false, live.FaultRejected},
	{1007, "setup must be the first message and only the first", false, live.FaultRejected},
	{1007, "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.", true, live.FaultRejected},
	{1007, "Explicit activity control is not supported when automatic activity detection is enabled.", true, live.FaultRejected},
	{1007, "Precondition check failed.", true, live.FaultRejected},
	{1007, "Unsupported language code 'xx'", false, live.FaultRejected},
	{1007, "No matching speaker voice found", false, live.FaultRejected},
	{1007, "Cannot extract voices from a non-audio request.", false, live.FaultRejected},
	{1007, "The requested combination of response modalities (AUDIO) is not supported", false, live.FaultRejected},
	{1007, "Invalid session handle", false, live.FaultDeadHandle},
	{1007, "None. Invalid session handle", false, live.FaultDeadHandle},
	{1008, "BidiGenerateContent session not found", false, live.FaultDeadHandle},
	{1008, "Requested entity was not found.", false, live.FaultDeadHandle},
	{1008, "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the session durat", true, live.FaultBroken},
	{1008, "The operation was aborted.", true, live.FaultBroken},
	{1008, "Operation is not implemented, or supported, or enabled.", true, live.FaultBroken},
	{1011, "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: h", true, live.FaultQuota},
	{1011, "Resource has been exhausted (e.g. check quota).", true, live.FaultQuota},
	{1011, "Internal error encountered.", true, live.FaultBroken},
	{1011, "Internal error occurred.", true, live.FaultBroken},
	{1011, "The service is currently unavailable.", true, live.FaultBroken},
	{1011, "Deadline expired before operation could complete.", true, live.FaultBroken},
	{1011, "Request trace id: 0123abcd, [ORIGINAL ERROR] RPC::DEADLINE_EXCEEDED: ", true, live.FaultBroken},
	{1000, "", true, live.FaultEnded},

	// Texts that nobody has seen yet, and none at all.
	{0, "", true, live.FaultBroken},
	{1001, "", true, live.FaultBroken},
	{1007, "something new", true, live.FaultRejected},
	{1008, "something new", false, live.FaultRejected},
	{1008, "something new", true, live.FaultBroken},
	{1009, "", true, live.FaultRejected},
	{1011, "", true, live.FaultBroken},
	{1012, "", true, live.FaultBroken},
	{4000, "", true, live.FaultBroken},
}

func TestCloseTrouble_readsTheReasonFirstAndTheCodeSecond(t *testing.T) {
	for _, c := range closes {
		for _, text := range []string{c.text, strings.ToUpper(c.text)} {
			e := closeTrouble(c.code, text, c.ready)
			if e.Fault != c.fault || e.Close != c.code {
				t.Errorf("%d %q: fault %d, want %d (%s)", c.code, text, e.Fault, c.fault, e.Detail)
			}
			if !strings.HasSuffix(strings.SplitN(e.Detail, " It says:", 2)[0], ".") || strings.Contains(e.Error(), "my-project") || strings.Contains(e.Error(), "123456789012") {
				t.Errorf("%d %q: %v", c.code, text, e)
			}
		}
	}
}

func TestCloseTrouble_everyRuleIsReached(t *testing.T) {
	rest := []string{ // said over HTTP or in an error message only
		"api key expired. please renew the api key.", "api_key_invalid", "request had invalid authentication credentials.", "UNAUTHENTICATED",
		"it is disabled", "PERMISSION_DENIED", "The API requires a quota project, which is not set by default.", "This API method requires billing to be enabled.", "billing account", "quota", "RESOURCE EXHAUSTED", "RESOURCE_EXHAUSTED", "Too many requests",
		"X is not supported for bidiGenerateContent", "The model is overloaded. Please try again later.",
	}
	reached := map[*rule]bool{}
	for _, c := range closes {
		reached[match(c.text)] = true
	}
	for _, text := range rest {
		reached[match(text)] = true
	}
	for i := range rules {
		if !reached[&rules[i]] {
			t.Errorf("no text reaches the rule %q", rules[i].text)
		}
	}
}

func TestStatusTrouble_readsMessageStatusAndCode(t *testing.T) {
	for _, c := range []struct {
		status statusError
		fault  live.UpstreamFault
	}{
		{statusError{400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"}, live.FaultAuth},
		{statusError{403, "no", "PERMISSION_DENIED"}, live.FaultAuth},
		{statusError{429, "no", "RESOURCE_EXHAUSTED"}, live.FaultQuota},
		{statusError{404, "models/x is not found for API version v1beta", "NOT_FOUND"}, live.FaultRejected},
		{statusError{404, "no", "NOT_FOUND"}, live.FaultRejected},
		{statusError{500, "no", "INTERNAL"}, live.FaultBroken},
		{statusError{503, "no", "UNAVAILABLE"}, live.FaultBroken},
		{statusError{400, "no", "INVALID_ARGUMENT"}, live.FaultRejected},
		{statusError{}, live.FaultBroken},
	} {
		if e := statusTrouble(&c.status); e.Fault != c.fault {
			t.Errorf("%+v: fault %d (%v)", c.status, e.Fault, e)
		}
	}
}

func TestScrub_leavesNoCredential(t *testing.T) {
	for _, secret := range []string{
		"https://x/?key=abcdefgh", "access_token=auth_tokens/abc", "AIzaSyA1234567890abcdefghijklmnop", "AQ.Ab8RN6abcdefghijkl",
		"ya29.a0AfH6SMBabc", "Bearer abcdefghijklmnopqrst", "auth_tokens/0123abc", "projects/my-project/locations/x", "in project 123456789012",
		"on resource project my-project", "consumer project #123456789",
	} {
		got := scrub("It said: " + secret + " is bad.")
		for _, part := range []string{"abc", "1234", "my-project", "AfH6"} {
			if strings.Contains(got, part) {
				t.Errorf("%q is %q", secret, got)
			}
		}
	}
	if plain := "The session lasted 600 s, token count 1234, models/gemini-3.8-live."; scrub(plain) != plain {
		t.Error(scrub(plain))
	}
}
