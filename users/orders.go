package users

import "user-manager/crud"

// This file is the order of the steps of every operation. What holds for all:
//
//   - Fail closed. What keeps a user from logging in comes first at the provider and
//     then in the store; what lets a user in comes first in the store and then at the
//     provider. So between two steps no account can log in whose user may not.
//   - Each step says how it is undone (creation.go, steps.go); carryOut (sequence.go)
//     undoes in reverse. A step that cannot be undone comes last, or nothing behind it
//     can fail for good.
//   - The granting of roles and the scheduling of a timer have their place where the
//     comments say.

// createOrder: the user, the account, then the account's id into the user.
func (s *Service) createOrder(c *creation) []step {
	return []step{
		s.insertUser(c),
		s.createAccount(c),
		s.linkAccount(c),
		// roles are granted here, then the timer is scheduled
	}
}

// registerOrder gives an account to a user that has none. The user is marked first,
// so that of two calls at once only one goes on.
func (s *Service) registerOrder(c *creation, user crud.Document) []step {
	return []step{
		s.markUser(c, user),
		s.createAccount(c),
		s.linkAccount(c),
		// roles are granted here
	}
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
	return append(steps, s.insertAdopted(a)) // roles are granted here, then the timer is scheduled
}

// patchOrder changes the user, and its account where it has one and the change
// concerns it.
func (s *Service) patchOrder(p *patch) []step {
	var steps []step
	if p.blocks {
		steps = append(steps, s.blockAccount(p.authUserID, s.mayLogIn(p.before)))
	}
	steps = append(steps, s.patchUser(p))
	if p.renames {
		steps = append(steps, s.renameAccount(p))
	}
	// roles are replaced here, then the timer is rescheduled or aborted
	if p.unblocks {
		steps = append(steps, s.unblockAccount(p.authUserID, s.mayLogIn(p.before)))
	}
	return steps
}

// stateOrder moves a user to the next state, which the store's transition table
// allows. An account is deleted only behind the state DELETED, which is left again
// when that fails. Who leaves that state later has no account any more.
func (s *Service) stateOrder(user crud.Document, to string) []step {
	move := s.moveUser(user, to)
	id := accountID(user)
	switch {
	case id == "":
		return []step{move}
	case to == crud.Deleted && s.HardDelete:
		return []step{move, s.deleteAccount(id)}
	case s.mayLogIn(inState(user, to)):
		return []step{move, s.unblockAccount(id, s.mayLogIn(user))}
	case text(user, "__STATE__") == crud.Deleted:
		return []step{s.blockAccount(id, false), move, s.forgetGone(id)}
	default:
		return []step{s.blockAccount(id, s.mayLogIn(user)), move}
	}
}

// deleteOrder: neither step can be undone, so the second is tried again and, should
// it fail for good, is finished by [Service.Run] or by the next call.
func (s *Service) deleteOrder(user crud.Document) []step {
	// the timer is aborted here, then roles are revoked
	var steps []step
	if account := accountID(user); account != "" {
		steps = append(steps, s.deleteAccount(account))
	}
	return append(steps, s.deleteUser(user))
}
