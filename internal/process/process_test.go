package process

import (
	"testing"
	"time"
)

func TestResidentMemory(t *testing.T) {
	if got := memoryIn("Name:\tx\nVmHWM:\t  40 kB\nVmRSS:\t   20384 kB\nThreads:\t9\n", "VmRSS:"); got != 20384<<10 {
		t.Errorf("%d, want %d", got, 20384<<10)
	}
}

func TestCPUTime(t *testing.T) {
	const stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"
	if got := cpuIn(stat); got != 2*time.Second {
		t.Errorf("%v, want 2s", got)
	}
	if got := cpuIn("42 (a)"); got != 0 {
		t.Errorf("%v, want nothing", got)
	}
}

func TestPeakMemory(t *testing.T) {
	if got := memoryIn("Name:\tx\nVmHWM:\t  40 kB\nVmRSS:\t   20 kB\n", "VmHWM:"); got != 40<<10 {
		t.Errorf("%d, want %d", got, 40<<10)
	}
}
