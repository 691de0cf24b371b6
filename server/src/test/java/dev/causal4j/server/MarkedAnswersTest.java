package dev.causal4j.server;

import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.PROMPT;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.Mark;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server with a mark marks all that it generates. */
class MarkedAnswersTest {
    private static final Mark MARK = Mark.of(new byte[32]);

    /** The texts of completions, of a stream, and of a chat, with the same seeds. */
    private static List<String> texts(Server server) throws Exception {
        String completion = "{'prompt': '" + PROMPT + "', 'max_tokens': 100, 'seed': 3, 'ignore_eos': true";
        List<String> texts = new ArrayList<>();
        JsonNode whole = JsonMapper.shared()
                .readTree(send(server, "/v1/completions", completion + ", 'n': 3}")
                        .body());
        whole.get("choices").forEach(choice -> texts.add(choice.get("text").stringValue()));
        List<JsonNode> events = events(send(server, "/v1/completions", completion + ", 'stream': true}")
                .body());
        texts.add(events.stream()
                .map(event -> event.at("/choices/0/text").stringValue())
                .collect(Collectors.joining()));
        String chat = "{'messages': [{'role': 'user', 'content': 'Emma'}], 'max_tokens': 100, 'seed': 3}";
        texts.add(JsonMapper.shared()
                .readTree(send(server, "/v1/chat/completions", chat).body())
                .at("/choices/0/message/content")
                .stringValue());
        return texts;
    }

    private static double p(String text) {
        return MARK.detect(MODEL.requireTokenizer().encode(text)).p();
    }

    @Test
    void allAnswersHaveTheMark() throws Exception {
        try (Server marking = Served.start(OPTIONS.withMark(MARK))) {
            List<String> texts = texts(marking);
            assertThat(texts).hasSize(5).allMatch(text -> p(text) < 1e-6);
            assertThat(texts.get(3)).as("the first choice").isEqualTo(texts.getFirst());
        }
        assertThat(texts(SERVER)).hasSize(5).allMatch(text -> p(text) > 1e-3);
    }
}
