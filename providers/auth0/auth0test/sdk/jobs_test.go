package sdk

import (
	"net/http"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"

	"user-manager/providers/auth0/auth0test"
)

// importing starts an import of rows and gives the job as the answer has it.
func importing(t *testing.T, m *management.Management, upsert bool, rows ...map[string]any) (*management.Job, error) {
	job := &management.Job{ConnectionID: auth0.String(auth0test.ConnectionID), Upsert: auth0.Bool(upsert), Users: rows}
	err := m.Job.ImportUsers(t.Context(), job)
	return job, err
}

func TestImport(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	old := ada(t, m)
	job, err := importing(t, m, true,
		map[string]any{"email": "new@example.com", "user_id": "new-1", "name": "New", "email_verified": true, "app_metadata": map[string]any{"groups": []string{"a"}}},
		map[string]any{"email": "ada@example.com", "name": "Ada King"},
		map[string]any{"email": "no address"})
	if err != nil {
		t.Fatal(err)
	}
	if job.GetStatus() != "pending" || job.GetType() != "users_import" || !strings.HasPrefix(job.GetID(), "job_") || job.CreatedAt == nil {
		t.Errorf("job: %v", job)
	}
	read, err := m.Job.Read(t.Context(), job.GetID())
	if err != nil {
		t.Fatal(err)
	}
	summary := &management.JobSummary{Failed: auth0.Int(1), Updated: auth0.Int(1), Inserted: auth0.Int(1), Total: auth0.Int(3)}
	if diff := cmp.Diff(summary, read.Summary); diff != "" || read.GetStatus() != "completed" {
		t.Errorf("job %s, summary (-want +got):\n%s", read.GetStatus(), diff)
	}
	failed, err := m.Job.ReadErrors(t.Context(), job.GetID())
	if err != nil || len(failed) != 1 || failed[0].User["email"] != "no address" || len(failed[0].Errors) == 0 || failed[0].Errors[0].Code == "" {
		t.Errorf("errors: %v, %v", failed, err)
	}
	created, err := m.User.Read(t.Context(), "auth0|new-1")
	if err != nil || created.GetName() != "New" || !created.GetEmailVerified() {
		t.Errorf("inserted user: %v, %v", created, err)
	}
	updated, err := m.User.Read(t.Context(), old.GetID())
	if err != nil || updated.GetName() != "Ada King" {
		t.Errorf("updated user: %v, %v", updated, err)
	}
}

func TestImportWithoutErrors(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	job, err := importing(t, m, false, map[string]any{"email": "new@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	failed, err := m.Job.ReadErrors(t.Context(), job.GetID())
	if err != nil || failed != nil {
		t.Errorf("want none, got %v, %v", failed, err)
	}
}

func TestImportOfAUserThatExists(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	ada(t, m)
	job, err := importing(t, m, false, map[string]any{"email": "ada@example.com", "email_verified": true})
	if err != nil {
		t.Fatal(err)
	}
	want := []management.JobError{{
		User:   map[string]any{"email": "ada@example.com", "email_verified": true},
		Errors: []management.JobUserErrors{{Code: "DUPLICATED_USER", Message: "The user already exist and upsert parameter is false"}},
	}}
	got, err := m.Job.ReadErrors(t.Context(), job.GetID())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("errors (-want +got):\n%s%v", diff, err)
	}
}

func TestExternalIDOfAnImport(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	job := &management.Job{
		ConnectionID: auth0.String(auth0test.ConnectionID), ExternalID: auth0.String("ours-7"), Users: []map[string]any{{"email": "new@example.com"}},
	}
	if err := m.Job.ImportUsers(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	read, err := m.Job.Read(t.Context(), job.GetID())
	if err != nil || read.GetExternalID() != "ours-7" {
		t.Errorf("want the id back, got %v, %v", read, err)
	}
}

func TestThirdImportAtOnce(t *testing.T) {
	tn := newTenant(t, auth0test.Config{ImportRate: 0.001})
	m := tn.management(t, management.WithNoRetries())
	for range 2 {
		job, err := importing(t, m, false, map[string]any{"email": "new@example.com"}, map[string]any{"email": "other@example.com"})
		if err != nil || job.GetStatus() != "pending" {
			t.Fatalf("import: %v, %v", job, err)
		}
	}
	_, err := importing(t, m, false, map[string]any{"email": "third@example.com"})
	refused(t, err, http.StatusTooManyRequests, "There are 2 active import users jobs, please wait until some of them are finished and try again")
}

func TestImportIsRefused(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	long := strings.Repeat("x", 1000)
	var many []map[string]any
	for range 520 {
		many = append(many, map[string]any{"email": "a@example.com", "name": long})
	}
	for name, c := range map[string]struct {
		job     management.Job
		status  int
		message string
	}{
		"no file":                      {management.Job{ConnectionID: auth0.String(auth0test.ConnectionID)}, http.StatusBadRequest, "Must provide 'users' file as multipart part."},
		"a connection with a bad name": {management.Job{ConnectionID: auth0.String("nowhere"), Users: many[:1]}, http.StatusBadRequest, "connection_id"},
		"a connection that is not":     {management.Job{ConnectionID: auth0.String("con_0000000000000000"), Users: many[:1]}, http.StatusBadRequest, "The connection does not exist."},
		"a file over the limit":        {management.Job{ConnectionID: auth0.String(auth0test.ConnectionID), Users: many}, http.StatusRequestEntityTooLarge, "Payload content length greater than maximum allowed: 512000."},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, m.Job.ImportUsers(t.Context(), &c.job), c.status, c.message)
		})
	}
}

func TestUnknownJob(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	_, err := m.Job.Read(t.Context(), "job_0000000000000000")
	refused(t, err, http.StatusNotFound, "")
	_, err = m.Job.Read(t.Context(), "nonsense")
	refused(t, err, http.StatusBadRequest, "id")
	_, err = m.Job.ReadErrors(t.Context(), "job_0000000000000000")
	refused(t, err, http.StatusNotFound, "")
}

func TestVerificationEmail(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	for status, verified := range map[string]bool{"completed": false, "failed": true} {
		u := user(t, m, management.User{Email: auth0.String(status + "@example.com"), EmailVerified: &verified})
		job := &management.Job{UserID: u.ID}
		if err := m.Job.VerifyEmail(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if job.GetType() != "verification_email" || job.GetStatus() != "pending" {
			t.Errorf("job: %v", job)
		}
		read, err := m.Job.Read(t.Context(), job.GetID())
		if err != nil || read.GetStatus() != status {
			t.Errorf("verified before %v: want the job %s, got %v, %v", verified, status, read, err)
		}
	}
	refused(t, m.Job.VerifyEmail(t.Context(), &management.Job{UserID: auth0.String("auth0|000000000000000000000000")}), http.StatusNotFound, "")
}

func TestTicketToChangeThePassword(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m := tn.management(t)
	u := ada(t, m)
	for name, ticket := range map[string]*management.Ticket{
		"by id":      {UserID: u.ID, ResultURL: auth0.String("https://example.com/done"), TTLSec: auth0.Int(3600), MarkEmailAsVerified: auth0.Bool(true)},
		"by address": {Email: u.Email, ConnectionID: auth0.String(auth0test.ConnectionID)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := m.Ticket.ChangePassword(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
			if want := "https://" + tn.domain + "/u/reset-password?ticket="; !strings.HasPrefix(ticket.GetTicket(), want) || !strings.HasSuffix(ticket.GetTicket(), "#") {
				t.Errorf("want %s...#, got %s", want, ticket.GetTicket())
			}
		})
	}
	if mails := tn.Mails(); len(mails) != 0 {
		t.Errorf("a ticket sends no mail, got %d", len(mails))
	}
	refused(t, m.Ticket.ChangePassword(t.Context(), &management.Ticket{UserID: auth0.String("auth0|000000000000000000000000")}), http.StatusNotFound, "")
	refused(t, m.Ticket.ChangePassword(t.Context(), &management.Ticket{}), http.StatusBadRequest, "")
}

func TestConnection(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	c, err := m.Connection.ReadByName(t.Context(), auth0test.Connection)
	if err != nil {
		t.Fatal(err)
	}
	if c.GetID() != auth0test.ConnectionID || c.GetStrategy() != "auth0" {
		t.Errorf("connection: %v", c)
	}
	if options, ok := c.Options.(*management.ConnectionOptions); !ok || !options.GetBruteForceProtection() || options.GetImportMode() {
		t.Errorf("options: %v", c.Options)
	}
	read, err := m.Connection.Read(t.Context(), auth0test.ConnectionID)
	if diff := cmp.Diff(c, read); err != nil || diff != "" {
		t.Errorf("by id (-by name +by id):\n%s%v", diff, err)
	}
	_, err = m.Connection.ReadByName(t.Context(), "nowhere")
	refused(t, err, http.StatusNotFound, "Connection not found") // theirs, for an empty list
	_, err = m.Connection.Read(t.Context(), "con_0000000000000000")
	refused(t, err, http.StatusNotFound, "The connection does not exist")
}
