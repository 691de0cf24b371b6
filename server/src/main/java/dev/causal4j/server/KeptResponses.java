package dev.causal4j.server;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.summingLong;

import dev.causal4j.json.Json;
import io.undertow.util.Methods;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Map.Entry;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Responses that their owners read again and continue, in memory. Where there is no room for one more, the caller
 * with most loses the one that was not used for longest. Thread-safe.
 */
final class KeptResponses {
    /**
     * A response. As JSON, since trees of Java would be many times as large.
     *
     * @param caller who takes its room
     * @param previous the id of the one that it continues; empty for none
     * @param input the list of its input
     * @param output its items
     * @param whole all of it
     */
    record Kept(String owner, Object caller, String previous, byte[] input, List<byte[]> output, byte[] whole) {
        /** Bytes of its items. */
        long items() {
            return input.length + output.stream().mapToLong(each -> each.length).sum();
        }
    }

    private final int most;
    private final SequencedMap<String, Kept> all =
            new LinkedHashMap<>(16, 0.75f, true); // the least recently used first

    KeptResponses(int most) {
        this.most = most;
    }

    boolean isOff() {
        return most == 0;
    }

    /** The bytes that one counts; if each has the least, as many as there may be fill all. */
    private long weight(Kept kept) {
        return Math.max(kept.items() + kept.whole.length, Math.ceilDiv(Limits.KEPT_BYTES, most));
    }

    synchronized void add(String id, Kept kept) {
        all.put(id, kept);
        while (all.values().stream().mapToLong(this::weight).sum() > Limits.KEPT_BYTES) {
            Map<Object, Long> held = all.values().stream().collect(groupingBy(Kept::caller, summingLong(this::weight)));
            Object largest = held.entrySet().stream()
                    .max(Entry.comparingByValue())
                    .orElseThrow()
                    .getKey();
            all.remove(all.entrySet().stream()
                    .filter(each -> each.getValue().caller.equals(largest))
                    .findFirst()
                    .orElseThrow()
                    .getKey());
        }
    }

    synchronized Optional<Kept> get(String owner, String id) {
        return Optional.ofNullable(all.get(id)).filter(kept -> kept.owner.equals(owner));
    }

    /**
     * A response after those that it continues; nothing for an empty id.
     *
     * @throws ApiError if one of them is not kept
     */
    List<Kept> history(String owner, String id) {
        List<Kept> history = new ArrayList<>();
        for (String each = id; !each.isEmpty(); each = history.getLast().previous) {
            String line = ApiError.line("previous_response_id", "a response that is kept, as are all before it", each);
            history.add(get(owner, each)
                    .orElseThrow(() -> new ApiError(400, "previous_response_not_found", "previous_response_id", line)));
        }
        return history.reversed();
    }

    /** An item of a response, which its id names; empty if it is not kept. */
    Optional<byte[]> item(String owner, String id) {
        String[] parts = id.split("_", -1);
        return parts.length != 3 || !parts[2].matches("\\d{1,6}")
                ? Optional.empty()
                : get(owner, "resp_" + parts[1])
                        .flatMap(kept -> kept.output.stream()
                                .skip(Integer.parseInt(parts[2]))
                                .findFirst());
    }

    /** Answers with a response or its input, or forgets it. */
    byte[] answer(Call call) {
        String path = call.exchange.getRequestPath();
        String[] names = path.substring(path.indexOf(Routes.RESPONSES) + Routes.RESPONSES.length())
                .split("/", 2);
        boolean forgets = call.exchange.getRequestMethod().equals(Methods.DELETE);
        boolean input = names.length == 2 && names[1].equals("input_items") && !forgets;
        Kept kept = get(call.owner, names[0])
                .filter(_ -> input || names.length == 1)
                .orElseThrow(() -> {
                    String line = ApiError.line("response_id", "a response that is kept", path);
                    return new ApiError(404, "response_not_found", "response_id", line);
                });
        if (!forgets) {
            return input ? kept.input : kept.whole;
        }
        synchronized (this) {
            all.remove(names[0]);
        }
        return Json.write(Json.object("id", names[0], "object", "response", "deleted", true));
    }
}
