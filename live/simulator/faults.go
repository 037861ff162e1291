package simulator

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. A configuration lists faults for every connection; one session
// can ask for its own with a marker in its system instruction, such as
//
//	[[simulate: close code=1011 reason="Internal error encountered." after=2s]]
//
// or with the query ?simulate=… in the same words. Without a When (after, turn) a fault strikes as soon as it can.
type Fault struct {
	Kind        string        `mapstructure:"kind"`
	After       time.Duration `mapstructure:"after"`       // since setupComplete; of slow_pongs: the delay of each
	Turn        int           `mapstructure:"turn"`        // in this answer, when its first piece was sent; the first is 1
	Probability float64       `mapstructure:"probability"` // of striking a connection; 0 means always
	Code        int           `mapstructure:"code"`        // of close
	Reason      string        `mapstructure:"reason"`      // of close and refuse_setup
}

// The kinds of faults.
const (
	FaultQuota            = "quota"              // close 1011 with the quota reason 0.1 to 0.8 s after setupComplete
	FaultGoAway           = "go_away"            // goAway, then close at its deadline
	FaultDrop             = "drop"               // drop the TCP connection without a close frame
	FaultClose            = "close"              // close with code and reason
	FaultInternal         = "internal_error"     // close 1011 "Internal error encountered."
	FaultRefuseSetup      = "refuse_setup"       // answer the setup with close 1007 and reason
	FaultSilentSetup      = "silent_setup"       // never answer the setup
	FaultNotJSON          = "not_json"           // send a frame that is not JSON
	FaultSilentTurn       = "silent_turn"        // hear, and never answer
	FaultSlowPongs        = "slow_pongs"         // answer pings late
	FaultBurst            = "burst"              // send each answer at once
	FaultOddPieces        = "odd_pieces"         // cut audio inside samples
	FaultOmitTurnComplete = "omit_turn_complete" // end answers with generationComplete only
	FaultDeadHandles      = "dead_handles"       // issue resumption handles that are not known afterwards
	FaultStallReading     = "stall_reading"      // stop reading
	FaultToolCall         = "tool_call"          // call the first declared function in each answer
)

var faultKinds = []string{
	FaultQuota, FaultGoAway, FaultDrop, FaultClose, FaultInternal, FaultRefuseSetup, FaultSilentSetup, FaultNotJSON,
	FaultSilentTurn, FaultSlowPongs, FaultBurst, FaultOddPieces, FaultOmitTurnComplete, FaultDeadHandles,
	FaultStallReading, FaultToolCall,
}

// Validate names the key that is wrong, without the list it stands in.
func (f Fault) Validate() error {
	known := false
	for _, k := range faultKinds {
		known = known || k == f.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("kind must be one of %s, got %q", strings.Join(faultKinds, ", "), f.Kind)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability must be between 0 and 1, got %v", f.Probability)
	case f.After < 0 || f.After > 24*time.Hour:
		return fmt.Errorf("after must be between 0 and 24h, got %v", f.After)
	case f.Turn < 0:
		return fmt.Errorf("turn must be 0 or more, got %d", f.Turn)
	case f.Kind == FaultClose && (f.Code < 1000 || f.Code > 4999):
		return fmt.Errorf("code must be a close code, got %d", f.Code)
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
		value := strings.Trim(m[2], `"`)
		switch m[1] {
		case "after":
			f.After, err = time.ParseDuration(value)
		case "turn":
			f.Turn, err = strconv.Atoi(value)
		case "probability":
			f.Probability, err = strconv.ParseFloat(value, 64)
		case "code":
			f.Code, err = strconv.Atoi(value)
		case "reason":
			f.Reason = value
		default:
			err = fmt.Errorf("option %q is not known", m[1])
		}
		if err != nil {
			return f, fmt.Errorf("simulate: %s: %w", f.Kind, err)
		}
	}
	if err := f.Validate(); err != nil {
		return f, fmt.Errorf("simulate: %w", err)
	}
	return f, nil
}
