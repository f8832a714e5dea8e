package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream/faults"
)

// routes is the tenant, and beside it what a developer sees and plans.
func routes(tenant *auth0test.Tenant, plan *faults.Plan) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", tenant)
	mux.HandleFunc("GET /_mails", func(w http.ResponseWriter, _ *http.Request) { show(w, tenant.Outbox()) })
	mux.HandleFunc("GET /_seen", func(w http.ResponseWriter, _ *http.Request) { show(w, tenant.Seen()) })
	mux.HandleFunc("GET /_faults", func(w http.ResponseWriter, _ *http.Request) { show(w, plan.Calls()) })
	mux.HandleFunc("DELETE /_faults", func(w http.ResponseWriter, _ *http.Request) {
		plan.Heal()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_faults/deliver", func(w http.ResponseWriter, _ *http.Request) {
		plan.Deliver()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_faults", func(w http.ResponseWriter, r *http.Request) {
		var o order
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&o)
		if err != nil {
			err = fmt.Errorf(`must be a JSON object such as {"fault": "status 429"}: %w`, err)
		} else {
			err = o.carryOut(plan)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// An order is what is to go wrong.
type order struct {
	Fault  string `json:"fault"`
	Delay  string `json:"delay"`
	Call   int    `json:"call"` // from now; 0 is 1
	Always bool   `json:"always"`
}

// carryOut arms the plan.
func (o order) carryOut(plan *faults.Plan) error {
	n := len(plan.Calls()) + max(o.Call, 1)
	if o.Delay != "" {
		delay, err := time.ParseDuration(o.Delay)
		if err != nil || delay <= 0 || o.Fault != "" || o.Always {
			return fmt.Errorf("delay: must be a duration such as 3s, and is for one call without a fault")
		}
		plan.ArmDelay(n, delay)
		return nil
	}
	for _, fault := range faults.All() {
		if fault.String() == o.Fault {
			if o.Always {
				plan.ArmFrom(n, fault)
			} else {
				plan.Arm(n, fault)
			}
			return nil
		}
	}
	return fmt.Errorf("fault: must be one of %q", faults.All())
}

func show(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(v) // a client that went away needs no answer
}
