package users

import (
	"slices"

	"user-manager/crud"
)

// This file is the order of the steps of every operation. What holds for all:
//
//   - Fail closed. What keeps a user from logging in comes first at the provider and
//     then in the store; what lets a user in comes first in the store and then at the
//     provider. So between two steps no account can log in whose user may not.
//   - Each step says how it is undone (steps.go, creation.go, patchsteps.go, roles.go,
//     timers.go); carryOut (sequence.go) undoes in reverse. A step that cannot be undone
//     comes last, or nothing behind it can fail for good.
//   - Roles are granted to an account that has its user, and taken off one that still has
//     it; only an activation grants them before. A timer is scheduled before its user has the
//     date, unless the user is new.

// createOrder: the user, the account, then the account's id into the user; its roles, and
// its timer.
func (s *Service) createOrder(c *creation) []step {
	steps := []step{
		s.insertUser(c),
		s.createAccount(c),
		s.linkAccount(c),
	}
	return slices.Concat(steps, s.grantOrder(&c.authUserID, c.user), s.timerOrder(&c.userID, c.timer))
}

// createAloneOrder: a user without an account, and its timer. The user is marked until it
// has that.
func (s *Service) createAloneOrder(c *creation) []step {
	return []step{s.insertUser(c), s.scheduleTimer(&c.userID, c.timer), s.leaveAlone(c)}
}

func (s *Service) grantOrder(authUserID *string, user crud.Document) []step {
	roles := s.rolesToGrant(user)
	if roles == nil {
		return nil
	}
	return []step{s.grantRoles(authUserID, roles)}
}

// timerOrder schedules the timer of a user that has just come to be.
func (s *Service) timerOrder(userID *string, t *timerChange) []step {
	if t == nil {
		return nil
	}
	return []step{s.scheduleTimer(userID, t), s.noteTimer(userID, t)}
}

// registerOrder gives an account to a user that has none. The user is marked first,
// so that of two calls at once only one goes on.
func (s *Service) registerOrder(c *creation, user crud.Document) []step {
	steps := []step{
		s.markUser(c, user),
		s.createAccount(c),
		s.linkAccount(c),
	}
	return append(steps, s.grantOrder(&c.authUserID, user)...)
}

// An activation (activate.go) does what registerOrder does to many users at once: it
// marks them, makes their accounts and links them. It is not undone but gone on with,
// by whoever runs its job next; only a user whose account cannot be made loses its mark.

// refreshOrder makes an account what its user says it is.
func (s *Service) refreshOrder(r *refresh) []step {
	return []step{s.updateAccount(r)}
}

// adoptOrder makes a user of an account that exists.
func (s *Service) adoptOrder(a *adoption) []step {
	var steps []step
	if a.block {
		steps = append(steps, s.blockAccount(a.account.ID, true))
	}
	steps = append(steps, s.insertAdopted(a))
	return slices.Concat(steps, s.grantOrder(&a.account.ID, a.user), s.timerOrder(&a.userID, a.timer))
}

// patchOrder changes the user, and its account where it has one and the change
// concerns it.
func (s *Service) patchOrder(p *patch) []step {
	var steps []step
	if p.blocks {
		steps = append(steps, s.blockAccount(p.authUserID, s.mayLogIn(p.before)))
	}
	if t := p.timer; t != nil && t.date != "" {
		steps = append(steps, s.scheduleTimer(&p.userID, t))
	}
	steps = append(steps, s.patchUser(p))
	if p.timer != nil {
		steps = append(steps, s.noteTimer(&p.userID, p.timer))
	}
	if p.renames {
		steps = append(steps, s.renameAccount(p))
	}
	if p.roles != nil {
		steps = append(steps, s.replaceRoles(p.authUserID, p.roles))
	}
	if p.unblocks {
		steps = append(steps, s.unblockAccount(p.authUserID, s.mayLogIn(p.before)))
	}
	if p.timer != nil && p.timer.stands {
		steps = append(steps, s.abortTimer(&p.userID, p.timer))
	}
	return steps
}

// stateOrder moves a user to the next state, which the store's transition table
// allows. An account is deleted only behind the state DELETED, which is left again
// when that fails. Who leaves that state later has no account any more. A timer stays: a
// user expires in any state.
func (s *Service) stateOrder(user crud.Document, to string) []step {
	move := s.moveUser(user, to)
	id := accountID(user)
	switch {
	case id == "":
		return []step{move}
	case to == crud.Deleted && s.HardDelete:
		return slices.Concat([]step{move}, s.revokeOrder(id, user), []step{s.deleteAccount(id)})
	case s.mayLogIn(inState(user, to)):
		return []step{move, s.unblockAccount(id, s.mayLogIn(user))}
	case text(user, "__STATE__") == crud.Deleted:
		return []step{s.blockAccount(id, false), move, s.forgetGone(id)}
	default:
		return []step{s.blockAccount(id, s.mayLogIn(user)), move}
	}
}

// revokeOrder takes the roles off an account that is to be deleted.
func (s *Service) revokeOrder(id string, user crud.Document) []step {
	if s.Rond == nil {
		return nil
	}
	return []step{s.revokeRoles(id, user)}
}

// deleteOrder: neither of the last two steps can be undone, so the last is tried again
// and, should it fail for good, is finished by [Service.Run] or by the next call.
func (s *Service) deleteOrder(user crud.Document) []step {
	var steps []step
	if t := s.retimed(user, user); t != nil && t.stands {
		steps = append(steps, s.dropTimer(text(user, "_id"), t))
	}
	if account := accountID(user); account != "" {
		steps = append(steps, s.revokeOrder(account, user)...)
		steps = append(steps, s.deleteAccount(account))
	}
	return append(steps, s.deleteUser(user))
}

// expireOrder blocks a user whose time has come. Nothing is undone: it may not log in
// whatever fails, and the timer calls again.
func (s *Service) expireOrder(user crud.Document) []step {
	var steps []step
	if account := accountID(user); account != "" {
		block := s.blockAccount(account, false)
		block.undo = nil
		steps = append(steps, block)
	}
	return append(steps, s.markBlocked(user))
}
