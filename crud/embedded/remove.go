package embedded

// remove answers DELETE /:id.
func (c *call) remove() error {
	v, err := c.changeView(accepts{states: true}, -1)
	if err != nil {
		return err
	}
	v.filter, v.limit = c.byIDFilter(v.filter), 1
	n, err := c.removeAll(v)
	switch {
	case err != nil:
		return err
	case n == 0:
		return errNotFound
	}
	return c.noContent()
}

// removeMany answers DELETE /.
func (c *call) removeMany() error {
	v, err := c.changeView(accepts{states: true}, -1)
	if err != nil {
		return err
	}
	n, err := c.removeAll(v)
	if err != nil {
		return err
	}
	return c.answerNumber(n)
}

// changeView reads a body that does not matter, and then the query string.
func (c *call) changeView(a accepts, depth int) (view, error) {
	if _, err := c.readBody(depth); err != nil {
		return view{}, err
	}
	return c.view(a)
}

func (c *call) removeAll(v view) (n int64, err error) {
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		seqs, err := c.numbers(t.query, v)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			if _, err := t.exec("DELETE FROM "+c.table+" WHERE seq = ?", seq); err != nil {
				return err
			}
		}
		n = int64(len(seqs))
		return nil
	})
	return n, err
}
