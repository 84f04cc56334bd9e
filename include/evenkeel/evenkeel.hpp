// evenkeel/evenkeel.hpp - Evenkeel for C++17: owners that release themselves, failures as exceptions.
//
// A thin skin: every type converts to the C handle it owns, so that everything in evenkeel.h is at hand. What takes
// options in C is called by its _with function (options from EK_..._DEFAULTS, `size` set) or through the helpers here.
#ifndef EVENKEEL_EVENKEEL_HPP
#define EVENKEEL_EVENKEEL_HPP

#include <complex>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "evenkeel/evenkeel.h"

namespace evenkeel {

// ---- errors ---------------------------------------------------------------------------------------

// A failed call: what() is the sentence; the record has the code, the node at fault and the place.
class Error : public std::runtime_error {
public:
    explicit Error(const ek_error &record)
        : std::runtime_error(std::string(ek_status_name(record.code)) + ": " + record.text), record_(record) {}
    const ek_error &record() const noexcept { return record_; }
    ek_status code() const noexcept { return record_.code; }

private:
    ek_error record_;
};

inline void check(ek_status status)
{
    if (status != EK_OK) throw Error(*ek_last_error());
}
inline void check(ek_status status, const ek_error &record)
{
    if (status != EK_OK) throw Error(record);
}

// The caller's place, as a default argument.
inline ek_where here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return ek_where{ file, line }; }

// ---- arrays ----------------------------------------------------------------------------------------

template <typename T> struct dtype_of;
template <> struct dtype_of<float> { static constexpr ek_dtype value = EK_FLOAT32; };
template <> struct dtype_of<double> { static constexpr ek_dtype value = EK_FLOAT64; };
template <> struct dtype_of<std::int8_t> { static constexpr ek_dtype value = EK_INT8; };
template <> struct dtype_of<std::int16_t> { static constexpr ek_dtype value = EK_INT16; };
template <> struct dtype_of<std::int32_t> { static constexpr ek_dtype value = EK_INT32; };
template <> struct dtype_of<std::int64_t> { static constexpr ek_dtype value = EK_INT64; };
template <> struct dtype_of<std::uint8_t> { static constexpr ek_dtype value = EK_UINT8; };
template <> struct dtype_of<std::uint16_t> { static constexpr ek_dtype value = EK_UINT16; };
template <> struct dtype_of<std::uint32_t> { static constexpr ek_dtype value = EK_UINT32; };
template <> struct dtype_of<std::uint64_t> { static constexpr ek_dtype value = EK_UINT64; };
template <> struct dtype_of<bool> { static constexpr ek_dtype value = EK_BOOL; };
template <> struct dtype_of<std::complex<float>> { static constexpr ek_dtype value = EK_COMPLEX64; };
template <> struct dtype_of<std::complex<double>> { static constexpr ek_dtype value = EK_COMPLEX128; };

// A shape from its dimensions, -1 for an unknown one; {} is a scalar's.
inline ek_shape shape(std::initializer_list<std::int64_t> dims)
{
    ek_shape s{};
    if (dims.size() > EK_MAX_RANK) throw std::invalid_argument("evenkeel::shape: more than 16 dimensions");
    for (std::int64_t d : dims) s.dim[s.rank++] = d;
    return s;
}

// A reference to an ek_array; copies share it, clone() does not.
class Array {
public:
    Array() noexcept = default;
    // Takes over one reference.
    static Array take(ek_array *a) noexcept
    {
        Array out;
        out.a_ = a;
        return out;
    }
    Array(ek_dtype dtype, const ek_shape &s, const void *data = nullptr) { check(ek_array_create(dtype, s, data, &a_)); }
    template <typename T> Array(std::initializer_list<std::int64_t> dims, const std::vector<T> &values)
    {
        const ek_shape s = shape(dims);
        if (ek_shape_count(&s) != static_cast<std::int64_t>(values.size()))
            throw std::invalid_argument("evenkeel::Array: as many values as the shape has elements were expected");
        check(ek_array_create(dtype_of<T>::value, s, values.data(), &a_));
    }
    template <typename T> static Array scalar(T value) { return Array(dtype_of<T>::value, shape({}), &value); }
    static Array load(const std::string &npy)
    {
        Array out;
        check(ek_npy_load(npy.c_str(), &out.a_));
        return out;
    }

    Array(const Array &other) noexcept : a_(ek_array_ref(other.a_)) {}
    Array(Array &&other) noexcept : a_(std::exchange(other.a_, nullptr)) {}
    Array &operator=(Array other) noexcept
    {
        std::swap(a_, other.a_);
        return *this;
    }
    ~Array() { ek_array_unref(a_); }

    void save(const std::string &npy) const { check(ek_npy_save(npy.c_str(), a_)); }
    Array clone() const
    {
        Array out;
        check(ek_array_copy(a_, &out.a_));
        return out;
    }

    explicit operator bool() const noexcept { return a_ != nullptr; }
    operator ek_array *() const noexcept { return a_; }
    ek_array **slot() noexcept { return &a_; } // for calls that refill or replace it
    ek_dtype dtype() const noexcept { return ek_array_dtype(a_); }
    int rank() const noexcept { return ek_array_rank(a_); }
    std::int64_t dim(int axis) const noexcept { return ek_array_dim(a_, axis); }
    std::int64_t size() const noexcept { return ek_array_count(a_); }

    // The elements; an Error where they are of another type.
    template <typename T> T *data() const
    {
        if (dtype() != dtype_of<T>::value) {
            ek_error e{};
            e.code = EK_INVALID_ARGUMENT;
            std::snprintf(e.text, sizeof e.text, "an array of %s was expected, found %s", ek_dtype_name(dtype_of<T>::value),
                          ek_dtype_name(dtype()));
            throw Error(e);
        }
        return static_cast<T *>(ek_array_data(a_));
    }
    template <typename T> T *begin() const { return data<T>(); }
    template <typename T> T *end() const { return data<T>() + size(); }
    double at(std::int64_t i) const noexcept { return ek_array_get(a_, i); }

    std::string str() const { return text(ek_array_str(a_)); }   // as numpy prints it
    std::string repr() const { return text(ek_array_repr(a_)); }

private:
    static std::string text(char *s)
    {
        const std::unique_ptr<char, void (*)(void *)> owner(s, ek_free);
        if (s == nullptr) throw std::bad_alloc();
        return s;
    }
    ek_array *a_ = nullptr;
};

// ---- graphs -----------------------------------------------------------------------------------------

class Graph {
public:
    Graph() : g_(ek_graph_create())
    {
        if (g_ == nullptr) throw std::bad_alloc();
    }
    explicit Graph(const std::string &file) : g_(nullptr)
    {
        ek_error e{};
        check(ek_graph_load(file.c_str(), &g_, &e), e);
    }
    // A MetaGraphDef with its variables and collections; names go under `scope` where one is given.
    static Graph load_meta_graph(const std::string &file, const std::string &scope = "")
    {
        Graph out(nullptr);
        ek_error e{};
        ek_meta_graph_load_options o{};
        o.size = sizeof o;
        o.out = &out.g_;
        o.import_scope = scope.c_str();
        o.error = &e;
        check(ek_meta_graph_load_with(file.c_str(), &o, ek_where{ __FILE__, __LINE__ }), e);
        return out;
    }
    Graph(Graph &&other) noexcept : g_(std::exchange(other.g_, nullptr)) {}
    Graph &operator=(Graph &&other) noexcept
    {
        std::swap(g_, other.g_);
        return *this;
    }
    ~Graph() { ek_graph_destroy(g_); }

    operator ek_graph *() const noexcept { return g_; }
    // Building is sticky: one check after a stretch of calls throws the first failure.
    void check_built() const
    {
        ek_error e{};
        check(ek_graph_status(g_, &e), e);
    }
    void save(const std::string &file, bool as_text = false) const
    {
        ek_error e{};
        check(ek_graph_save(g_, file.c_str(), as_text, &e), e);
    }
    void save_meta_graph(const std::string &file, bool as_text = false) const
    {
        ek_error e{};
        ek_meta_graph_save_options o{};
        o.size = sizeof o;
        o.path = file.c_str();
        o.text = as_text;
        o.error = &e;
        check(ek_meta_graph_save_with(g_, &o, ek_where{ __FILE__, __LINE__ }), e);
    }
    ek_op op(const std::string &name) const
    {
        ek_op out{};
        check(ek_graph_op_by_name(g_, name.c_str(), &out));
        return out;
    }
    ek_tensor tensor(const std::string &name) const // "y:0"
    {
        ek_tensor out{};
        check(ek_graph_tensor_by_name(g_, name.c_str(), &out));
        return out;
    }

private:
    explicit Graph(ek_graph *g) noexcept : g_(g) {}
    ek_graph *g_;
};

// Scopes close when they go: { NameScope tower(g, "tower"); ... }
class Scope {
public:
    explicit Scope(ek_scope s) noexcept : s_(s) {}
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;
    ~Scope() { ek_scope_pop(&s_); }

private:
    ek_scope s_;
};
struct NameScope : Scope {
    NameScope(ek_graph *g, const char *name, ek_where w = here()) : Scope(ek_name_scope_push(g, name, w)) {}
};
struct ControlDependencies : Scope {
    ControlDependencies(ek_graph *g, ek_list list, ek_where w = here()) : Scope(ek_control_dependencies_push(g, list, w)) {}
};

// ---- sessions ---------------------------------------------------------------------------------------

using Feeds = std::vector<std::pair<ek_tensor, Array>>;

// Any number of threads may run one session.
class Session {
public:
    // What ek_session_create is told where nothing is said: change members and hand it over.
    static ek_session_options options() noexcept
    {
        ek_session_options o{};
        o.size = sizeof o;
        o.fuse = EK_DEFAULT;
        o.watch = EK_DEFAULT;
        return o;
    }
    explicit Session(const Graph &g, int threads = 0, ek_where w = here()) : Session(g, with_threads(threads), w) {}
    // With a store, a listener (.report), .check_numerics, ...; .graph and .error are set here.
    Session(const Graph &g, ek_session_options o, ek_where w = here())
    {
        ek_error e{};
        o.graph = g;
        o.error = &e;
        s_ = ek_session_create_with(&o, w);
        if (s_ == nullptr) throw Error(e);
    }
    Session(Session &&other) noexcept : s_(std::exchange(other.s_, nullptr)) {}
    Session &operator=(Session &&other) noexcept
    {
        std::swap(s_, other.s_);
        return *this;
    }
    ~Session() { ek_session_destroy(s_); }
    operator ek_session *() const noexcept { return s_; }

    // Session.run: the values of `fetches`, in their order; `targets` are run, not fetched.
    std::vector<Array> run(const Feeds &feeds, const std::vector<ek_tensor> &fetches,
                           const std::vector<ek_op> &targets = {}, ek_where w = here()) const
    {
        std::vector<Array> values(fetches.size());
        run_into(feeds, fetches, values, targets, w);
        return values;
    }
    // The same into arrays of the last run, which are refilled in place where they fit and nobody shares them.
    void run_into(const Feeds &feeds, const std::vector<ek_tensor> &fetches, std::vector<Array> &values,
                  const std::vector<ek_op> &targets = {}, ek_where w = here()) const
    {
        std::vector<ek_feed> fed;
        std::vector<ek_fetch> wanted;
        ek_error e{};
        ek_run_options o{};

        if (values.size() != fetches.size()) throw std::invalid_argument("evenkeel::Session: a value per fetch was expected");
        for (const auto &f : feeds) fed.push_back(ek_feed{ f.first, f.second });
        for (std::size_t i = 0; i < fetches.size(); i++) wanted.push_back(ek_fetch{ fetches[i], values[i].slot() });
        o.size = sizeof o;
        o.feeds = fed.data();
        o.n_feeds = static_cast<std::int64_t>(fed.size());
        o.fetches = wanted.data();
        o.n_fetches = static_cast<std::int64_t>(wanted.size());
        o.targets = targets.data();
        o.n_targets = static_cast<std::int64_t>(targets.size());
        o.error = &e;
        check(ek_run_with(s_, &o, w), e);
    }

private:
    static ek_session_options with_threads(int threads) noexcept
    {
        ek_session_options o = options();
        o.threads = threads;
        return o;
    }
    ek_session *s_ = nullptr;
};

} // namespace evenkeel

#endif
