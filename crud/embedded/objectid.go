package embedded

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// counterSpan is how many ids one second has room for.
const counterSpan = 1 << 23

// isID reports whether a text is 24 hexadecimal digits.
func isID(text string) bool {
	if len(text) != 24 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// ids makes ids that grow, also over a restart with the same machine bytes: four
// bytes of seconds, five of the machine, three of a counter that starts with the
// fraction of the second. Only the leader of a write may call next.
type ids struct {
	machine [5]byte
	second  uint32
	counter uint32
}

func newMachine() (m [5]byte) {
	rand.Read(m[:])
	return m
}

func (g *ids) next(now time.Time) string {
	second := uint32(now.Unix())
	counter := uint32(uint64(now.Nanosecond()) * counterSpan / 1e9)
	if second <= g.second { // the same second, or a clock that went back
		second, counter = g.second, max(counter, g.counter+1)
	}
	if counter >= 1<<24 {
		second, counter = second+1, 0
	}
	g.second, g.counter = second, counter
	var id [12]byte
	binary.BigEndian.PutUint32(id[:], second)
	copy(id[4:], g.machine[:])
	id[9], id[10], id[11] = byte(counter>>16), byte(counter>>8), byte(counter)
	return hex.EncodeToString(id[:])
}
