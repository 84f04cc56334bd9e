// serve.cc - serves a frozen graph from eight threads and says how long a request takes.
//
//     serve [MODEL.pb INPUT:0 INPUT.npy OUTPUT:0]     (without arguments: the small model in examples/data)
//
// One session for all threads and no lock: a run that only reads never waits for another.
#include <evenkeel/evenkeel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

int main(int argc, char **argv)
try {
    constexpr int threads = 8, requests = 2000;
    const bool own = argc == 5;
    const evenkeel::Graph graph(own ? argv[1] : "examples/data/small_frozen.pb");
    const ek_tensor x = graph.tensor(own ? argv[2] : "x:0"), y = graph.tensor(own ? argv[4] : "y:0");
    const evenkeel::Array input = evenkeel::Array::load(own ? argv[3] : "examples/data/small_frozen_x.npy");
    const evenkeel::Session session(graph, 1); // eight requests at once fill the processors as they are

    std::vector<double> micros(threads * requests);
    std::vector<std::thread> clients;
    const auto start = Clock::now();
    for (int t = 0; t < threads; t++)
        clients.emplace_back([&, t] {
            std::vector<evenkeel::Array> answer(1); // refilled in place: from the second request on nothing is allocated
            for (int i = 0; i < requests; i++) {
                const auto asked = Clock::now();
                session.run_into({ { x, input } }, { y }, answer);
                micros[static_cast<std::size_t>(t * requests + i)] = Micros(Clock::now() - asked).count();
            }
        });
    for (std::thread &client : clients) client.join();
    const double seconds = Micros(Clock::now() - start).count() / 1e6;

    std::sort(micros.begin(), micros.end());
    const auto at = [&](double share) { return micros[static_cast<std::size_t>(share * (threads * requests - 1))]; };
    std::printf("%d threads, %d requests: %.0f per second\n", threads, threads * requests, threads * requests / seconds);
    std::printf("microseconds a request: median %.1f, 90%% %.1f, 99%% %.1f, longest %.1f\n", at(0.5), at(0.9), at(0.99), at(1));
    return 0;
} catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
