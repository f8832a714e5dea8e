package histogram

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestPercentilesOfFewValues(t *testing.T) {
	var h Histogram
	if got := h.Percentile(99); got != 0 {
		t.Errorf("percentile of nothing: %v, want 0", got)
	}
	for d := range 60 {
		h.Record(time.Duration(d + 1)) // exact: each has a bucket of its own
	}
	for p, want := range map[float64]time.Duration{0: 1, 50: 30, 95: 57, 99: 60, 100: 60} {
		if got := h.Percentile(p); got != want {
			t.Errorf("percentile %v: %d, want %d", p, got, want)
		}
	}
}

func TestPercentilesAgainstSortedValues(t *testing.T) {
	seed := rand.New(rand.NewPCG(1, 2))
	var values []time.Duration
	var a, b Histogram
	for i := range 20_000 {
		d := time.Duration(seed.ExpFloat64() * float64(time.Millisecond))
		values = append(values, d)
		if i%2 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	a.Add(&b)
	slices.Sort(values)
	for _, p := range []float64{1, 50, 90, 95, 99, 99.9, 100} {
		want := values[int(math.Ceil(p/100*float64(len(values))))-1]
		got := a.Percentile(p)
		if got < want || float64(got) > float64(want)*1.017+1 {
			t.Errorf("percentile %v: %v, want %v to 1.6 percent more", p, got, want)
		}
	}
}

func TestBucketsCoverEverything(t *testing.T) {
	last := time.Duration(-1)
	for bucket := range buckets - 1 {
		greatest := greatestIn(bucket)
		if got := bucketOf(greatest); got != bucket {
			t.Fatalf("bucketOf(%d) = %d, want %d", greatest, got, bucket)
		}
		if got := bucketOf(last + 1); got != bucket {
			t.Fatalf("bucketOf(%d) = %d, want %d", last+1, got, bucket)
		}
		last = greatest
	}
	if last < time.Hour {
		t.Errorf("the last bucket ends at %v, before an hour", last)
	}
	var h Histogram
	h.Record(1 << 62)
	h.Record(-1)
	if got := h.Percentile(100); got != 1<<62 {
		t.Errorf("greatest: %d, want %d", got, 1<<62)
	}
	if got := h.Percentile(50); got != 0 { // of two
		t.Errorf("less than nothing: %d, want 0", got)
	}
}
