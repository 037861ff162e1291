package pcm

import "encoding/binary"

// Kind says what a run of samples is.
type Kind uint8

// The kinds of runs.
const (
	Speech  Kind = iota // of a conversation, loud
	Quiet               // of a conversation, between utterances
	Zero                // digital silence
	Foreign             // nothing that Append makes
)

// Run is samples that follow each other: of a conversation, from sample Pos on, or of nobody.
type Run struct {
	Kind Kind
	Who  uint16
	Pos  int64 // of Speech and Quiet
	N    int64
}

// End is the sample behind the run.
func (r Run) End() int64 { return r.Pos + r.N }

// Scanner reads a stream of PCM piece by piece. Its zero value is ready. It belongs to one goroutine.
type Scanner struct {
	who    uint16
	next   int64 // the sample that should follow
	known  bool  // who and next are
	cached int64 // the block that values are of, plus 1
	values [Block]byte
	odd    []byte // half a sample at the end of the piece before
}

// Scan reports what is in pcm, in order, as runs that are as long as can be. Where the stream jumps the border of two runs
// may lie a few samples late, because the values on both sides are the same there; how far it jumps is exact. Fewer samples
// than a block between others may be reported as Foreign where nothing near them tells what they are.
func (s *Scanner) Scan(pcm []byte, report func(Run)) {
	if len(s.odd) > 0 {
		pcm = append(s.odd, pcm...)
		s.odd = nil
	}
	if len(pcm)%2 != 0 {
		s.odd = []byte{pcm[len(pcm)-1]}
		pcm = pcm[:len(pcm)-1]
	}
	var run Run
	flush := func() {
		if run.N > 0 {
			report(run)
		}
		run = Run{}
	}
	for len(pcm) > 0 {
		r := s.one(pcm)
		joins := run.N > 0 && run.Kind == r.Kind && (r.Kind >= Zero || r.Who == run.Who && r.Pos == run.End())
		if !joins {
			flush()
			run = r
		} else {
			run.N += r.N
		}
		pcm = pcm[2*r.N:]
	}
	flush()
}

// one reads the samples at the beginning of pcm that are of one kind.
func (s *Scanner) one(pcm []byte) Run {
	if r := s.expected(pcm); r.N > 0 {
		return r
	}
	zeros := int64(0)
	for 2*zeros < int64(len(pcm)) && sample(pcm, int(zeros)) == 0 {
		zeros++
	}
	if zeros > 0 {
		return Run{Kind: Zero, N: zeros}
	}
	if s.locate(pcm) {
		return s.expected(pcm)
	}
	s.known = false
	return Run{Kind: Foreign, N: 1}
}

// expected reads the samples that follow those before them.
func (s *Scanner) expected(pcm []byte) (r Run) {
	if !s.known {
		return r
	}
	for i := 0; 2*i < len(pcm); i++ {
		v, loud := symbol(sample(pcm, i))
		if v != s.at(s.who, s.next) {
			break
		}
		kind := Quiet
		if loud {
			kind = Speech
		}
		if i == 0 {
			r = Run{Kind: kind, Who: s.who, Pos: s.next}
		} else if kind != r.Kind {
			break
		}
		r.N++
		s.next++
	}
	return r
}

// at is the value of a sample.
func (s *Scanner) at(who uint16, pos int64) byte {
	if block := pos / Block; s.cached != block+1 || who != s.who {
		s.values, s.cached = symbols(who, block), block+1
	}
	return s.values[pos%Block]
}

// locate finds out from a whole block in pcm's first milliseconds where its first sample belongs.
func (s *Scanner) locate(pcm []byte) bool {
	for i := 0; i < Block && 2*(i+Block) <= len(pcm); i++ {
		who, block, ok := whole(pcm[2*i:])
		if !ok || block*Block < int64(i) {
			continue
		}
		was := *s
		s.who, s.next, s.known, s.cached = who, block*Block-int64(i), true, 0
		if v, _ := symbol(sample(pcm, 0)); v == s.at(s.who, s.next) {
			return true
		}
		*s = was
	}
	return false
}

// whole reads one block.
func whole(pcm []byte) (who uint16, block int64, ok bool) {
	var v [Block]byte
	for i := range v {
		v[i], _ = symbol(sample(pcm, i))
	}
	if v[0] != mark {
		return 0, 0, false
	}
	for _, x := range v[1:7] {
		block = block<<4 | int64(x)
	}
	for _, x := range v[7:11] {
		who = who<<4 | uint16(x)
	}
	return who, block, v == symbols(who, block)
}

func sample(pcm []byte, i int) int16 { return int16(binary.LittleEndian.Uint16(pcm[2*i:])) }
