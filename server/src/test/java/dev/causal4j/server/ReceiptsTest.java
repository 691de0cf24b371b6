package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.receipt.Receipt;
import dev.causal4j.receipt.Receipt.Verification;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ReceiptsTest {
    private static final String TOOL = "{'type': 'function', 'function': {'name': 'tea', 'parameters':"
            + " {'type': 'object', 'properties': {'cups': {'type': 'integer', 'maximum': 9}}, 'required': ['cups']}}}";

    private static final List<String> REQUESTS = List.of(
            "/v1/completions {'prompt': 'Emma', 'max_tokens': 20, 'n': 3, 'seed': 4, 'logprobs': 2}",
            "/v1/completions {'prompt': ['Emma', 'Mr. Darcy was', ''], 'max_tokens': 20, 'stop': ['the']}",
            "/v1/completions {'prompt': 'Emma', 'max_tokens': 1, 'temperature': 0, 'echo': true, 'logprobs': 1}",
            "/v1/completions {'prompt': 'Emma', 'max_tokens': 30, 'guided_regex': '[a-z ]{5,20}', 'best_of': 3}",
            "/v1/chat/completions {'messages': [{'role': 'user', 'content': 'Hello'}], 'max_tokens': 60,"
                    + " 'response_format': {'type': 'json_object'}}",
            "/v1/chat/completions {'messages': [{'role': 'user', 'content': 'Hello'}], 'max_tokens': 90,"
                    + " 'tools': [" + TOOL + "], 'tool_choice': 'required'}");

    private static List<JsonNode> receipts(Server server, String request, boolean stream) throws Exception {
        int space = request.indexOf(' ');
        String body = request.substring(space + 1, request.length() - 1) + ", 'receipt': true, 'receipt_nonce': 'mine'"
                + (stream ? ", 'stream': true}" : "}");
        HttpResponse<String> answer = send(server, request.substring(0, space), body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        Stream<JsonNode> documents = stream
                ? Served.events(answer.body()).stream()
                : Stream.of(JsonMapper.shared().readTree(answer.body()));
        List<JsonNode> choices = documents
                .flatMap(each -> each.get("choices").valueStream())
                .filter(each -> !stream || !each.get("finish_reason").isNull())
                .toList();
        assertThat(choices).isNotEmpty().allMatch(each -> each.has("receipt"));
        return choices.stream().map(each -> each.get("receipt")).toList();
    }

    @Test
    void eachChoiceHasATrueReceipt() throws Exception {
        try (CausalLM model = AustenModel.load(LoadOptions.DEFAULT.withDigests(true));
                Server server =
                        Server.start(model, ChatTemplate.plain(), OPTIONS.withReceipts(UnaryOperator.identity()))) {
            for (String request : REQUESTS) {
                for (boolean stream : new boolean[] {false, !request.contains("best_of")}) {
                    for (JsonNode each : receipts(server, request, stream)) {
                        Verification found = Receipt.parse(
                                        "receipt", each.toString().getBytes(StandardCharsets.UTF_8))
                                .verify(model);
                        assertThat(found.difference()).as(request).isEmpty();
                        assertThat(each.get("nonce").stringValue()).isEqualTo("mine");
                    }
                }
            }
            HttpResponse<String> many = send(
                    server,
                    "/v1/completions",
                    "{'prompt': 'a', 'receipt': true, 'receipt_nonce': '" + "x".repeat(300) + "'}");
            assertThat(many.statusCode()).isEqualTo(400);
            assertThat(many.body()).contains("receipt_nonce");
        }
    }

    @Test
    void aServerWithoutReceiptsSaysSo() throws Exception {
        HttpResponse<String> answer = send(SERVER, "/v1/completions", "{'prompt': 'x', 'receipt': true}");
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(answer.body()).contains("a server that gives receipts (--receipts)");
    }

    @Test
    void receiptsNeedDigests() {
        ServerOptions options = OPTIONS.withReceipts(UnaryOperator.identity());
        assertThatThrownBy(() -> Server.start(Served.MODEL, ChatTemplate.plain(), options))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("withDigests");
    }
}
