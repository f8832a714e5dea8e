package users

// What the journal knows of notes that are to be settled.

// settleable returns the notes that match and that nobody is at work on; only those
// that have to be looked at if again is false: not settled yet, or not for long, or to be
// closed.
func (j *journal) settleable(again bool, match func(note) bool) []*openNote {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []*openNote
	for _, n := range j.open {
		now := j.now()
		if n.running || now.Before(j.mayBeSettled(n)) || !match(n.note) {
			continue
		}
		if again || !n.settled || !now.Before(n.closeFrom) || !now.Before(n.lookFrom) {
			found = append(found, n)
		}
	}
	return found
}

// claim marks that an operation settles n now. It reports false if another does, or
// did.
func (j *journal) claim(n *openNote) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open[n.id] != n || n.running {
		return false
	}
	n.running = true
	return true
}

// ended notes of an operation that is over whether it has left nothing half done.
func (j *journal) ended(n *openNote, whole bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.restDone = whole
}

// restDue reports whether settling n is to set its roles and timer anew: not when that has
// been done and nothing more can have come, nor when it could not be done a moment ago. owed
// says that it has to be done yet.
func (j *journal) restDue(n *openNote, certain bool) (due, owed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	owed = certain || !n.restDone
	return owed && j.now().Sub(n.restTried) >= settleEvery, owed
}

// rested notes whether the roles and the timer of n could be set anew.
func (j *journal) rested(n *openNote, done bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n.restDone = done; !done {
		n.restTried = j.now()
	}
}

// settled notes whether user and account of n are as they should be. late says that a call
// which was to make them so may take effect yet.
func (j *journal) settled(n *openNote, settled, late bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.settled, n.lookFrom = settled, j.now().Add(lookAgain)
	if until := j.now().Add(lateEffects); late && until.After(n.closeFrom) {
		n.closeFrom = until
	}
}

// unsettled returns how many notes are not settled, with or without those of operations that
// are at work on them.
func (j *journal) unsettled(running bool) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, open := range j.open {
		if !open.settled && (running || !open.running) {
			n++
		}
	}
	return n
}
