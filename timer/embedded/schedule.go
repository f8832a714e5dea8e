package embedded

import (
	"math"
	"net/http"
	"time"

	"user-manager/crud"
)

// schedule handles POST /schedule.
func (s *Service) schedule(w http.ResponseWriter, r *http.Request) error {
	asked, err := decodeTimer(r)
	if err != nil {
		return err
	}
	due, err := asked.due()
	if err != nil {
		return err
	}
	id, err := s.timers.Insert(r.Context(), asked.document(due))
	if err != nil {
		return err
	}
	s.wakeBefore(due.UnixMilli())
	encode(w, http.StatusOK, map[string]string{"expirationId": id})
	return nil
}

// due returns when the timer is due, in whole milliseconds and never early.
func (t *timerRequest) due() (time.Time, error) {
	start, err := time.Parse(time.RFC3339, t.StartDate)
	if err != nil {
		return time.Time{}, badRequest("startDate: must be a date-time")
	}
	const most = 1e15 // 30,000 years
	ms := math.Ceil(*t.ExpirationIntervalMs)
	if math.Abs(ms) > most {
		return time.Time{}, badRequest("expirationIntervalMs: the timer would be due beyond the year 9999")
	}
	due := time.UnixMilli(start.Add(time.Millisecond-1).UnixMilli() + int64(ms)).UTC()
	if due.Year() < 0 || due.Year() > 9999 {
		return time.Time{}, badRequest("expirationIntervalMs: the timer would be due beyond the year 9999")
	}
	return due, nil
}

// document returns the timer as it is kept.
func (t *timerRequest) document(due time.Time) crud.Document {
	start, _ := time.Parse(time.RFC3339, t.StartDate) // as due has found
	doc := crud.Document{
		"startDate":            start.UTC().Format(dateFormat),
		"expirationIntervalMs": *t.ExpirationIntervalMs,
		"applicantService":     t.ApplicantService,
		"outputMode":           t.OutputMode,
		"expirationDate":       due.Format(dateFormat),
		"failureCount":         0,
		"expirationStatus":     pending,
		"dueAt":                due.UnixMilli(),
		"payload":              t.Payload,
	}
	if t.Payload == nil {
		doc["payload"] = crud.Document{}
	}
	return doc
}
