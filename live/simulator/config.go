package simulator

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section simulator of config.yaml. The defaults are what was measured on the real service, or what
// its documentation says.
type Config struct {
	Seed           uint64 `mapstructure:"seed"`            // the same seed and the same input give the same answers
	MaxConnections int    `mapstructure:"max_connections"` // beyond it the upgrade is refused with 503
	MaxConcurrent  int    `mapstructure:"max_concurrent"`  // sessions per key or project before quota closes; 0: no limit
	MaxFrameBytes  int    `mapstructure:"max_frame_bytes"`
	Echo           bool   `mapstructure:"echo"` // answer each frame of audio at once with the same bytes: for benchmarks

	SetupDelay    time.Duration `mapstructure:"setup_delay"`    // setup to setupComplete…
	SetupJitter   time.Duration `mapstructure:"setup_jitter"`   // …give or take
	RefusalDelay  time.Duration `mapstructure:"refusal_delay"`  // setup to the close of a refused one
	ThinkingDelay time.Duration `mapstructure:"thinking_delay"` // end of speech to the first audio of the answer…
	ThinkingExtra time.Duration `mapstructure:"thinking_extra"` // …and up to this much more
	WriteTimeout  time.Duration `mapstructure:"write_timeout"`

	PrefixPadding   time.Duration `mapstructure:"prefix_padding"`   // of speech before it counts as begun
	SilenceDuration time.Duration `mapstructure:"silence_duration"` // of silence before speech counts as ended
	MaxUtterance    time.Duration `mapstructure:"max_utterance"`    // of speech that is kept to be played back

	Pace             float64       `mapstructure:"pace"` // the answer is sent this many times faster than it plays
	PieceMin         time.Duration `mapstructure:"piece_min"`
	PieceMax         time.Duration `mapstructure:"piece_max"`
	OddPieces        bool          `mapstructure:"odd_pieces"`         // cut pieces inside samples
	CombineFields    bool          `mapstructure:"combine_fields"`     // audio, transcript and turn marks share frames, as since 3.1
	OmitTurnComplete bool          `mapstructure:"omit_turn_complete"` // as 3.1 sometimes does
	VoiceActivity    bool          `mapstructure:"voice_activity"`     // report when speech begins and ends

	ClockScale  float64       `mapstructure:"clock_scale"`   // the limits below pass this many times faster
	GoAwayAfter time.Duration `mapstructure:"go_away_after"` // life of a connection until goAway
	GoAwayLeft  time.Duration `mapstructure:"go_away_left"`  // from goAway to the close
	StarveAfter time.Duration `mapstructure:"starve_after"`  // without any input
	HandleLife  time.Duration `mapstructure:"handle_life"`   // of a resumption handle
	// SessionLimit is the life of a conversation over all its connections, where its context is not compressed.
	SessionLimit time.Duration `mapstructure:"session_limit"`

	HandleLag time.Duration `mapstructure:"handle_lag"` // the most that passes from a snapshot until its handle is told

	Models  []string `mapstructure:"models"`   // known ids; empty: all that begin with gemini-
	BadKeys []string `mapstructure:"bad_keys"` // prefixes of API keys and tokens that are refused
	Faults  []Fault  `mapstructure:"faults"`   // for every connection; sessions can ask for their own
}

// DefaultConfig is what config.yaml ships with.
func DefaultConfig() Config {
	return Config{
		Seed:            1,
		MaxConnections:  20_000,
		MaxFrameBytes:   4 << 20,
		SetupDelay:      130 * time.Millisecond,
		SetupJitter:     40 * time.Millisecond,
		RefusalDelay:    85 * time.Millisecond,
		ThinkingDelay:   300 * time.Millisecond,
		ThinkingExtra:   400 * time.Millisecond,
		WriteTimeout:    10 * time.Second,
		PrefixPadding:   20 * time.Millisecond,
		SilenceDuration: 800 * time.Millisecond,
		MaxUtterance:    15 * time.Second,
		Pace:            5,
		PieceMin:        40 * time.Millisecond,
		PieceMax:        time.Second,
		CombineFields:   true,
		ClockScale:      1,
		GoAwayAfter:     540 * time.Second,
		GoAwayLeft:      50 * time.Second,
		StarveAfter:     150 * time.Second,
		HandleLife:      2 * time.Hour,
		SessionLimit:    15 * time.Minute,
		BadKeys:         []string{"bad"},
	}
}

// Validate reports every value that is out of range, each in a sentence that names its key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, key, rule string, got any) {
		if !ok {
			errs = append(errs, fmt.Errorf("simulator.%s must be %s, got %v", key, rule, got))
		}
	}
	between := func(key string, v, low, high time.Duration) {
		check(v >= low && v <= high, key, fmt.Sprintf("between %v and %v", low, high), v)
	}
	check(c.MaxConnections >= 1 && c.MaxConnections <= 1_000_000, "max_connections", "between 1 and 1000000", c.MaxConnections)
	check(c.MaxConcurrent >= 0, "max_concurrent", "0 or more", c.MaxConcurrent)
	check(c.MaxFrameBytes >= 64<<10 && c.MaxFrameBytes <= 64<<20, "max_frame_bytes", "between 65536 and 67108864", c.MaxFrameBytes)
	between("setup_delay", c.SetupDelay, 0, time.Minute)
	between("setup_jitter", c.SetupJitter, 0, c.SetupDelay)
	between("refusal_delay", c.RefusalDelay, 0, time.Minute)
	between("thinking_delay", c.ThinkingDelay, 0, time.Minute)
	between("thinking_extra", c.ThinkingExtra, 0, time.Minute)
	between("write_timeout", c.WriteTimeout, 10*time.Millisecond, 5*time.Minute)
	between("prefix_padding", c.PrefixPadding, 0, 5*time.Second)
	between("silence_duration", c.SilenceDuration, 10*time.Millisecond, 30*time.Second)
	between("max_utterance", c.MaxUtterance, time.Second, 2*time.Minute)
	check(c.Pace >= 0.1 && c.Pace <= 1000, "pace", "between 0.1 and 1000 times real time", c.Pace)
	between("piece_min", c.PieceMin, time.Millisecond, c.PieceMax)
	between("piece_max", c.PieceMax, time.Millisecond, 10*time.Second)
	check(c.ClockScale >= 1 && c.ClockScale <= 100_000, "clock_scale", "between 1 and 100000", c.ClockScale)
	between("go_away_after", c.GoAwayAfter, time.Second, 24*time.Hour)
	between("go_away_left", c.GoAwayLeft, time.Second, time.Hour)
	between("starve_after", c.StarveAfter, time.Second, 24*time.Hour)
	between("handle_life", c.HandleLife, time.Second, 48*time.Hour)
	between("session_limit", c.SessionLimit, time.Second, 24*time.Hour)
	between("handle_lag", c.HandleLag, 0, time.Minute)
	for i, f := range c.Faults {
		if err := f.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("simulator.faults[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

// scaled is a limit of the real service on the simulator's clock.
func (c Config) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.ClockScale)
}
