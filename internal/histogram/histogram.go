// Package histogram counts durations in memory of a fixed size.
package histogram

import (
	"math"
	"math/bits"
	"time"
)

// The buckets of a histogram: 64 for each power of two, so that a value is known to
// 1.6 percent, up to more than an hour.
const (
	subBits    = 6
	subBuckets = 1 << subBits
	maxExp     = 36
	buckets    = (maxExp + 2) * subBuckets
)

// A Histogram counts durations in memory of a fixed size. Its zero value is empty and
// ready to use; it is not safe for concurrent use.
type Histogram struct {
	counts [buckets]uint64
	Total  uint64 // how many were counted
	Max    time.Duration
}

// Record counts d; less than nothing is nothing.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)]++
	h.Total++
	h.Max = max(h.Max, d)
}

// Add counts everything that other has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.Total += other.Total
	h.Max = max(h.Max, other.Max)
}

// Percentile returns a duration that p percent of those counted do not exceed; it is
// at most 1.6 percent too large. Of an empty histogram it is 0.
func (h *Histogram) Percentile(p float64) time.Duration {
	rank := max(uint64(math.Ceil(p/100*float64(h.Total))), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(greatestIn(i), h.Max)
		}
	}
	return h.Max
}

// bucketOf: values below 64 have a bucket each; a larger one is cut to its first 7
// bits, of which the first is always set.
func bucketOf(d time.Duration) int {
	v := uint64(d)
	if v < subBuckets {
		return int(v)
	}
	exp := bits.Len64(v) - subBits - 1
	return min(exp*subBuckets+int(v>>exp), buckets-1)
}

// greatestIn is the largest value that bucketOf puts into the bucket; the last one has
// all that are larger.
func greatestIn(bucket int) time.Duration {
	if bucket == buckets-1 {
		return math.MaxInt64
	}
	if bucket < 2*subBuckets {
		return time.Duration(bucket)
	}
	exp := bucket/subBuckets - 1
	return time.Duration((bucket%subBuckets+subBuckets+1)<<exp - 1)
}
