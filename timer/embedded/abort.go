package embedded

import (
	"net/http"
	"regexp"

	"user-manager/crud"
)

var objectID = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)

// abort handles POST /abort. A timer that is over stays what it is, and that is no error:
// who aborts wants no further call, and none comes. One that is under way goes on.
func (s *Service) abort(w http.ResponseWriter, r *http.Request) error {
	asked, err := decode[abortRequest](r)
	if err != nil {
		return err
	}
	unknown := &refusal{http.StatusNotFound, "there is no timer with this expirationId"}
	if !objectID.MatchString(asked.ExpirationID) {
		return unknown
	}
	timer := crud.Document{"_id": asked.ExpirationID, isPending: pending.ID}
	n, err := s.timers.PatchAll(r.Context(), where(timer), over(aborted, s.now()))
	if err != nil {
		return err
	}
	if n == 0 {
		n, err = s.timers.Count(r.Context(), where(crud.Document{"_id": asked.ExpirationID}))
	}
	switch {
	case err != nil:
		return err
	case n == 0:
		return unknown
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
