package main

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
)

// people are the documents of a target: those loaded at first, which reads and
// patches pick from, and those created since, which deletes take.
type people struct {
	run    string // makes the addresses of this run its own
	made   atomic.Int64
	loaded []string // ids; person i has loaded[i]. Only changed between runs
	spare  []string // ids. Only changed between runs
	taken  atomic.Int64
}

func newPeople() *people { return &people{run: strings.ToLower(rand.Text()[:8])} }

// next returns a person that nobody has been yet.
func (p *people) next() person { return p.person(p.made.Add(1) - 1) }

func (p *people) person(i int64) person {
	return person{
		username: fmt.Sprintf("user-%s-%d", p.run, i),
		email:    p.address(i),
		name:     fmt.Sprintf("Name %d", i),
		company:  "A company",
	}
}

func (p *people) address(i int64) string { return fmt.Sprintf("user-%s-%d@example.com", p.run, i) }

// id returns that of somebody who was loaded.
func (p *people) id(r *mathrand.Rand) string { return p.loaded[r.IntN(len(p.loaded))] }

// email returns that of somebody who was loaded.
func (p *people) email(r *mathrand.Rand) string { return p.address(r.Int64N(int64(len(p.loaded)))) }

// take returns the id of somebody who was created, each only once.
func (p *people) take() (string, bool) {
	i := p.taken.Add(1) - 1
	if i >= int64(len(p.spare)) {
		return "", false
	}
	return p.spare[i], true
}

// left is how many there are to take.
func (p *people) left() int { return max(len(p.spare)-int(p.taken.Load()), 0) }

// keep adds ids to those that can be taken.
func (p *people) keep(ids []string) {
	p.spare = append(p.spare[len(p.spare)-p.left():], ids...)
	p.taken.Store(0)
}
