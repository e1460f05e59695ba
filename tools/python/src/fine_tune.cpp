#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "tools/python/src/bindings.h"
#include "tools/python/src/fine_tune_session.h"
#include "tools/python/src/own_loss.h"
#include "tools/python/src/token_ids.h"

namespace tandem::python {

namespace {

using Metrics = FineTuneSession::Metrics;

class PythonFineTune {
  public:
    PythonFineTune(const nb::dict& settings, std::optional<std::vector<std::string>> records, nb::bool_ answers,
                   nb::handle loss) {
        FineTuneSession::Given given{arguments_of(settings), std::move(records), bool(answers)};
        if (!loss.is_none()) given.loss = loss_.emplace(loss).row_loss();
        nb::gil_scoped_release released;
        session_ = std::make_unique<FineTuneSession>(given);
    }

    FineTuneSession& session() { return *session_; }

    // Without the GIL. What a callable raised meanwhile is raised again.
    template <class F> auto compute(F work) {
        try {
            nb::gil_scoped_release released;
            return work(*session_);
        } catch (const Error&) {
            if (loss_) loss_->rethrow();
            throw;
        }
    }

  private:
    std::optional<OwnLoss> loss_;  // outlives the session
    std::unique_ptr<FineTuneSession> session_;
};

nb::dict dict_of(const Metrics& m) {
    nb::dict d;
    d["step"] = m.step.step;
    d["epoch"] = m.step.epoch;
    d["loss"] = m.step.loss;
    d["grad_norm"] = m.step.grad_norm;
    d["lr"] = m.step.lr;
    d["tokens"] = m.step.tokens;
    d["supervised_tokens"] = m.step.supervised_tokens;
    d["seconds"] = m.step.seconds;
    d["tokens_per_second"] = double(m.step.tokens) / m.step.seconds;
    if (m.eval_loss) d["eval_loss"] = *m.eval_loss;
    if (m.skipped) d["skipped"] = true;
    return d;
}

nb::dict dict_of(const MemoryNeed& need) {
    nb::list ranks;
    for (std::size_t r = 0; r < need.plans.size(); r++) {
        nb::dict rank;
        for (std::size_t c = 0; c < category_count; c++)
            rank[nb::str(std::string(name_of(Category(c))).c_str())] = need.plans[r].device.ledger.peak[c];
        rank["slab"] = need.plans[r].device.slab_bytes();
        rank["host_slab"] = need.plans[r].host.slab_bytes();
        rank["loading"] = need.loading[r];
        rank["saving"] = need.saving[r];
        ranks.append(rank);
    }
    nb::dict d;
    d["ranks"] = ranks;
    d["host_weights"] = need.host_weights;
    d["host"] = need.host(HostLimit::Of::resident);
    return d;
}

// No handler of signals is installed: Python's own has noted a Ctrl-C, and it is raised when the step is done, whose
// metrics the next call gives.
std::optional<nb::dict> next(PythonFineTune& t) {
    const std::optional<Metrics> metrics = t.compute([](FineTuneSession& s) { return s.next(); });
    if (PyErr_CheckSignals()) {
        nb::python_error raised;
        if (metrics) t.compute([&](FineTuneSession& s) { s.keep(*metrics); });
        throw raised;
    }
    if (!metrics) return std::nullopt;
    return dict_of(*metrics);
}

std::string answer(PythonFineTune& t, const std::string& prompt, std::int64_t max_new_tokens, double temperature,
                   std::int64_t seed) {
    const GenerateSettings settings = generate_settings({max_new_tokens, temperature, seed});
    return t.compute([&](FineTuneSession& s) { return s.answer(prompt, settings); });
}

}  // namespace

void bind_fine_tune(nb::module_& m) {
    nb::class_<PythonFineTune>(m, "FineTuneSession", "What tandem.FineTune is made of.")
        .def(nb::init<const nb::dict&, std::optional<std::vector<std::string>>, nb::bool_, nb::handle>(),
             nb::arg("settings"), nb::arg("records").none(), nb::arg("answers"), nb::arg("loss").none())
        .def_prop_ro("total_steps", [](PythonFineTune& t) { return t.session().total_steps(); })
        .def_prop_ro("steps", [](PythonFineTune& t) { return t.session().steps(); })
        .def_prop_ro("samples", [](PythonFineTune& t) {
            return t.compute([](FineTuneSession& s) { return s.samples(); });
        })
        .def("take_notes", [](PythonFineTune& t) {
            return t.compute([](FineTuneSession& s) { return s.take_notes(); });
        })
        .def("plan", [](PythonFineTune& t) {
            return dict_of(t.compute([](FineTuneSession& s) { return s.plan(); }).memory);
        })
        .def("start", [](PythonFineTune& t) { t.compute([](FineTuneSession& s) { s.start(); }); })
        .def("next", next)
        .def("evaluate",
             [](PythonFineTune& t) { return t.compute([](FineTuneSession& s) { return s.evaluate(); }); })
        .def("answer", answer, nb::arg("prompt"), nb::arg("max_new_tokens"), nb::arg("temperature"), nb::arg("seed"))
        .def("save",
             [](PythonFineTune& t, const std::string& folder) {
                 t.compute([&](FineTuneSession& s) { s.save(folder); });
             },
             nb::arg("folder"))
        .def("checkpoint",
             [](PythonFineTune& t, const std::string& folder, std::int64_t keep) {
                 return t.compute([&](FineTuneSession& s) { return s.checkpoint(folder, keep); });
             },
             nb::arg("folder"), nb::arg("keep"))
        .def("restore",
             [](PythonFineTune& t, const std::string& folder) {
                 t.compute([&](FineTuneSession& s) { s.restore(folder); });
             },
             nb::arg("folder"))
        .def("finish", [](PythonFineTune& t) { t.compute([](FineTuneSession& s) { s.finish(); }); })
        .def("close", [](PythonFineTune& t) { t.compute([](FineTuneSession& s) { s.close(); }); });
    m.def("describe_settings", [] { return described(Recipe()); },
          nb::sig("def describe_settings() -> list[tuple[str, str, str, str]]"));
}

}  // namespace tandem::python
