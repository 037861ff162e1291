package result

import (
	"encoding/json"
	"fmt"
	"os"
)

// Read reads what Save has written. The error is a sentence.
func Read(name string) (*Run, error) {
	var r Run
	if err := read(name, Kind, Version, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// ReadPeers reads what SavePeers has written. The error is a sentence.
func ReadPeers(name string) (*Peers, error) {
	var p Peers
	if err := read(name, PeersKind, PeersVersion, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// heading is how every file begins.
type heading struct {
	Kind    string `json:"kind"`
	Version int    `json:"version"`
}

// KindOf is what a file holds: Kind or PeersKind. The error is a sentence.
func KindOf(name string) (string, error) {
	_, h, err := open(name)
	return h.Kind, err
}

// open returns a file's content, and what it is.
func open(name string) (data []byte, h heading, err error) {
	if data, err = os.ReadFile(name); err != nil { //nolint:gosec // the file that a person names
		return nil, h, err
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, h, fmt.Errorf("%s does not hold JSON of a run: %w", name, err)
	}
	if h.Kind != Kind && h.Kind != PeersKind {
		return nil, h, fmt.Errorf("%s is no result of benchmarks/load or benchmarks/peers (its kind is %q)", name, h.Kind)
	}
	return data, h, nil
}

// read takes a file's content if it is of this kind and version.
func read(name, kind string, version int, content any) error {
	data, h, err := open(name)
	switch {
	case err != nil:
		return err
	case h.Kind != kind:
		return fmt.Errorf("%s holds a %s, not a %s", name, h.Kind, kind)
	case h.Version != version:
		return fmt.Errorf("%s was written by another version of this program (%d, this one reads %d): run it again", name, h.Version, version)
	}
	if err := json.Unmarshal(data, content); err != nil {
		return fmt.Errorf("%s does not hold JSON of a run: %w", name, err)
	}
	return nil
}
