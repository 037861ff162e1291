package simulator

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. A configuration lists faults for every connection; one session
// can ask for its own with a marker in its system instruction, such as
//
//	[[simulate: close code=1011 reason="Internal error encountered." after=2s]]
//
// or with the query ?simulate=… in the same words. Some strike at a moment: after a time since setupComplete, or in
// a turn. Others change the manner in which things are done: in one turn where Turn says so, else always, and in
// both cases not before After has passed.
type Fault struct {
	Kind        string        `mapstructure:"kind"`
	After       time.Duration `mapstructure:"after"`       // since setupComplete
	Turn        int           `mapstructure:"turn"`        // in this answer of the connection; the first is 1
	At          string        `mapstructure:"at"`          // where in the turn: before, inside (the default) or after it
	Connection  int           `mapstructure:"connection"`  // only on this connection of a conversation; the first is 1
	Probability float64       `mapstructure:"probability"` // of being there on a connection; 0 means always
	Code        int           `mapstructure:"code"`        // of close, refuse_setup and dead_handles; 1006: no close frame
	Reason      string        `mapstructure:"reason"`      // of the same
	Length      time.Duration `mapstructure:"length"`      // what it means is said with each kind
}

// The kinds of faults that strike at a moment.
const (
	FaultQuota        = "quota"          // close 1011 with the quota reason 0.1 to 0.8 s after setupComplete
	FaultGoAway       = "go_away"        // goAway with length left (default: go_away_left), then close at its deadline
	FaultDrop         = "drop"           // drop the TCP connection without a close frame
	FaultClose        = "close"          // close with code and reason, without a goAway
	FaultInternal     = "internal_error" // close 1011 "Internal error encountered."
	FaultNotJSON      = "not_json"       // send a frame that is not JSON
	FaultStallReading = "stall_reading"  // stop reading
	FaultStall        = "stall"          // stay open and take input, but say nothing any more
)

// The kinds of faults of the setup.
const (
	FaultRefuseSetup = "refuse_setup" // answer the setup with a close: 1007 unless code says otherwise
	FaultSilentSetup = "silent_setup" // never answer the setup
	FaultSlowSetup   = "slow_setup"   // answer it length later
)

// The kinds of faults that change a manner.
const (
	FaultSilentTurn       = "silent_turn"        // hear, and never answer
	FaultPoisonedResume   = "poisoned_resume"    // the same on connections that resume another, and only there
	FaultSlowPongs        = "slow_pongs"         // answer pings length late (default: 8 to 30 s)
	FaultBurst            = "burst"              // send each answer at once
	FaultOddPieces        = "odd_pieces"         // cut audio inside samples
	FaultLongAnswer       = "long_answer"        // answer with length of speech
	FaultOmitTurnComplete = "omit_turn_complete" // end answers with generationComplete only
	FaultDeadHandles      = "dead_handles"       // issue handles that are refused: 1008 unless code says otherwise
	FaultHandleInSpeech   = "handle_in_speech"   // issue a handle after length of each utterance (default: up to 1 s)
	FaultHandleLag        = "handle_lag"         // tell of handles up to length after their snapshot
	FaultToolCall         = "tool_call"          // call the first declared function in each answer
)

var (
	strikingFaults = []string{
		FaultQuota, FaultGoAway, FaultDrop, FaultClose, FaultInternal, FaultNotJSON, FaultStallReading, FaultStall,
	}
	setupFaults  = []string{FaultRefuseSetup, FaultSilentSetup, FaultSlowSetup}
	mannerFaults = []string{
		FaultSilentTurn, FaultPoisonedResume, FaultSlowPongs, FaultBurst, FaultOddPieces, FaultLongAnswer,
		FaultOmitTurnComplete, FaultDeadHandles, FaultHandleInSpeech, FaultHandleLag, FaultToolCall,
	}
	faultKinds   = slices.Concat(strikingFaults, setupFaults, mannerFaults)
	lengthFaults = []string{
		FaultGoAway, FaultSlowSetup, FaultSlowPongs, FaultLongAnswer, FaultHandleInSpeech, FaultHandleLag,
	}
)

// Where in a turn a fault strikes.
const (
	atBefore = "before" // what was asked is taken, nothing is answered
	atInside = "inside" // the first piece of the answer was sent
	atAfter  = "after"  // turnComplete was sent
)

// maxAnswer bounds the answers that can be asked for.
const maxAnswer = 5 * time.Minute

// strikes reports whether the fault strikes at a moment.
func (f Fault) strikes() bool { return slices.Contains(strikingFaults, f.Kind) }

// Validate names the key that is wrong, without the list it stands in.
func (f Fault) Validate() error {
	ofSetup := slices.Contains(setupFaults, f.Kind)
	switch {
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("kind must be one of %s, got %q", strings.Join(faultKinds, ", "), f.Kind)
	case !(f.Probability >= 0 && f.Probability <= 1): // nor what is not a number
		return fmt.Errorf("probability must be between 0 and 1, got %v", f.Probability)
	case f.After < 0 || f.After > 24*time.Hour:
		return fmt.Errorf("after must be between 0 and 24h, got %v", f.After)
	case f.Turn < 0 || f.Connection < 0:
		return fmt.Errorf("turn and connection must be 0 or more, got %d and %d", f.Turn, f.Connection)
	case ofSetup && (f.Turn > 0 || f.After > 0):
		return fmt.Errorf("turn and after must be left out of %s, which comes before them", f.Kind)
	case f.strikes() && f.Turn > 0 && f.After > 0:
		return fmt.Errorf("after must be left out where %s waits for turn %d", f.Kind, f.Turn)
	case f.At != "" && (!f.strikes() || f.Turn == 0 || !slices.Contains([]string{atBefore, atInside, atAfter}, f.At)):
		return fmt.Errorf("at must be before, inside or after a turn that is given too, in which the fault strikes; got %q for %s", f.At, f.Kind)
	}
	return f.validateDetails()
}

func (f Fault) validateDetails() error {
	switch code := f.Code; {
	case f.Kind == FaultClose && code == 0, code != 0 && (code < 1000 || code > 4999 || code == 1004 || code == 1005 || code == 1015):
		return fmt.Errorf("code must be a close code that can be sent, or 1006 for none, got %d", code)
	case f.Length < 0 || f.Length > maxAnswer && f.Kind != FaultGoAway || f.Length > time.Hour:
		return fmt.Errorf("length must be between 0 and %v (1h for %s), got %v", maxAnswer, FaultGoAway, f.Length)
	case f.Length > 0 && !slices.Contains(lengthFaults, f.Kind):
		return fmt.Errorf("length means nothing to %s", f.Kind)
	case f.Length == 0 && slices.Contains([]string{FaultSlowSetup, FaultLongAnswer, FaultHandleLag}, f.Kind):
		return fmt.Errorf("length must be given to %s", f.Kind)
	}
	return nil
}

var (
	faultMarker = regexp.MustCompile(`\[\[simulate:([^\]]*)\]\]`)
	faultOption = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)
)

// markedFaults reads the markers of a system instruction.
func markedFaults(text string) (faults []Fault, err error) {
	for _, m := range faultMarker.FindAllStringSubmatch(text, 16) {
		f, err := parseFault(m[1])
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// parseFault reads one fault as a marker or the query spells it: a kind and options.
func parseFault(text string) (f Fault, err error) {
	f.Kind, _, _ = strings.Cut(strings.TrimSpace(text), " ")
	for _, m := range faultOption.FindAllStringSubmatch(text, -1) {
		if err := f.set(m[1], strings.Trim(m[2], `"`)); err != nil {
			return f, fmt.Errorf("simulate: %s: %w", f.Kind, err)
		}
	}
	if err := f.Validate(); err != nil {
		return f, fmt.Errorf("simulate: %w", err)
	}
	return f, nil
}

// set reads one option.
func (f *Fault) set(name, value string) (err error) {
	switch name {
	case "after":
		f.After, err = time.ParseDuration(value)
	case "turn":
		f.Turn, err = strconv.Atoi(value)
	case "at":
		f.At = value
	case "connection":
		f.Connection, err = strconv.Atoi(value)
	case "probability":
		f.Probability, err = strconv.ParseFloat(value, 64)
	case "code":
		f.Code, err = strconv.Atoi(value)
	case "reason":
		f.Reason = value
	case "length":
		f.Length, err = time.ParseDuration(value)
	default:
		err = fmt.Errorf("option %q is not known", name)
	}
	return err
}
