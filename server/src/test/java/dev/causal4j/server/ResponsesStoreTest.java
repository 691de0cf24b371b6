package dev.causal4j.server;

import static dev.causal4j.server.ResponsesTest.GREEDY;
import static dev.causal4j.server.ResponsesTest.HI;
import static dev.causal4j.server.ResponsesTest.PATH;
import static dev.causal4j.server.ResponsesTest.ask;
import static dev.causal4j.server.ResponsesTest.error;
import static dev.causal4j.server.ResponsesTest.get;
import static dev.causal4j.server.ResponsesTest.stream;
import static dev.causal4j.server.ResponsesTest.text;
import static dev.causal4j.server.Served.CLIENT;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.post;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Responses that a server keeps: read, continued, referred to and deleted over HTTP. */
class ResponsesStoreTest {
    private static int delete(Server server, String path, String... headers) throws IOException, InterruptedException {
        HttpRequest.Builder deleting =
                HttpRequest.newBuilder(request(server, PATH + path, "").uri()).DELETE();
        if (headers.length > 0) {
            deleting.headers(headers);
        }
        return CLIENT.send(deleting.build(), BodyHandlers.ofString()).statusCode();
    }

    @Test
    void aResponseIsKeptAsItWasAndDeleted() throws Exception {
        JsonNode whole = ask(HI);
        JsonNode streamed = stream(HI).getLast().get("response");
        for (JsonNode each : List.of(whole, streamed)) {
            String id = "/" + each.get("id").stringValue();
            assertThat(JsonMapper.shared().readTree(get(id).body())).isEqualTo(each);
            JsonNode items =
                    JsonMapper.shared().readTree(get(id + "/input_items").body());
            assertThat(items.get("object").stringValue()).isEqualTo("list");
            assertThat(items.at("/data/0/content/0/text").stringValue()).isEqualTo("Tell me of Emma.");
            assertThat(items.get("first_id")).isEqualTo(items.at("/data/0/id"));
            assertThat(get(id + "/cancel").statusCode()).isEqualTo(404);
            assertThat(send(SERVER, PATH + id, "{}").statusCode()).isEqualTo(405);
            assertThat(delete(SERVER, id + "/input_items")).isEqualTo(404);
            assertThat(delete(SERVER, id)).isEqualTo(200);
            assertThat(delete(SERVER, id)).isEqualTo(404);
            assertThat(get(id).statusCode()).isEqualTo(404);
        }
    }

    @Test
    void aRequestGoesOnFromAnEarlierOneWithoutItsInstructions() throws Exception {
        String turn = "{'role': 'user', 'content': 'And Jane?'}";
        JsonNode first = ask("'instructions': 'You tell stories, and you tell them at length.', " + HI);
        String id = "'previous_response_id': '" + first.get("id").stringValue() + "', ";
        JsonNode second = ask(id + "'input': 'And Jane?', " + GREEDY);
        String output = "[{'role': 'user', 'content': 'Tell me of Emma.'}, ";
        JsonNode whole = post(
                PATH,
                ("{'input': " + output).replace('\'', '"') + first.at("/output/0") + ", "
                        + (turn + "], " + GREEDY + "}").replace('\'', '"'));
        JsonNode referred = ask("'input': " + output + "{'type': 'item_reference', 'id': '"
                + first.at("/output/0/id").stringValue() + "'}, " + turn + "], " + GREEDY);
        for (JsonNode each : List.of(whole, referred)) {
            assertThat(text(each)).isEqualTo(text(second));
            assertThat(each.at("/usage/input_tokens")).isEqualTo(second.at("/usage/input_tokens"));
        }
        assertThat(second.get("previous_response_id")).isEqualTo(first.get("id"));
        JsonNode third =
                ask("'previous_response_id': '" + second.get("id").stringValue() + "', 'input': 'Why?', " + GREEDY);
        assertThat(third.at("/usage/input_tokens").intValue())
                .isGreaterThan(second.at("/usage/input_tokens").intValue());
        JsonNode items = JsonMapper.shared()
                .readTree(get("/" + referred.get("id").stringValue() + "/input_items")
                        .body());
        assertThat(items.at("/data/1/content/0/text").stringValue())
                .as("what was referred to")
                .isEqualTo(text(first));
        assertThat(error(400, "'previous_response_id': 'resp_none', " + HI)
                        .get("code")
                        .stringValue())
                .isEqualTo("previous_response_not_found");
    }

    @Test
    void aReferenceToAnItemNamesItsKindToo() throws Exception {
        String id = ask(HI).at("/output/0/id").stringValue();
        for (String kind : List.of("in", "rs", "fc")) {
            String other = kind + id.substring(id.indexOf('_'));
            String refers =
                    "'input': [{'type': 'item_reference', 'id': '" + other + "'}, {'role': 'user', 'content': 'x'}]";
            assertThat(error(400, refers).get("message").stringValue())
                    .isEqualTo("input.[0].id: expected the id of an output item that is kept, got \"" + other + "\"");
        }
    }

    @Test
    void anotherKeyFindsNothing() throws Exception {
        String[] own = {"Authorization", "Bearer own"};
        String[] other = {"Authorization", "Bearer other"};
        try (Server server = start(OPTIONS.withKeys(List.of("own", "other")))) {
            JsonNode kept = JsonMapper.shared()
                    .readTree(send(server, PATH, "{" + HI + "}", own).body());
            String id = kept.get("id").stringValue();
            for (String[] key : List.of(other, own)) {
                boolean owns = Arrays.equals(key, own);
                int status = owns ? 200 : 404;
                int used = owns ? 200 : 400;
                assertThat(send(server, PATH + "/" + id, "", key).statusCode()).isEqualTo(status);
                String next = "{'previous_response_id': '" + id + "', " + HI + "}";
                assertThat(send(server, PATH, next, key).statusCode()).isEqualTo(used);
                String refers = "{'input': [{'type': 'item_reference', 'id': '"
                        + kept.at("/output/0/id").stringValue() + "'}, {'role': 'user', 'content': 'x'}]}";
                assertThat(send(server, PATH, refers, key).statusCode()).isEqualTo(used);
                assertThat(delete(server, "/" + id, key)).isEqualTo(status);
            }
        }
    }

    @Test
    void aServerThatKeepsNothingSaysSo() throws Exception {
        try (Server server = start(OPTIONS.withResponses(0))) {
            JsonNode answer = JsonMapper.shared()
                    .readTree(send(server, PATH, "{'store': true, " + HI + "}").body());
            assertThat(answer.get("store").booleanValue()).isFalse();
            assertThat(send(server, PATH + "/" + answer.get("id").stringValue(), "")
                            .statusCode())
                    .isEqualTo(404);
        }
        assertThat(Stream.of(true, false).map(store -> "'store': " + store + ", " + HI))
                .allSatisfy(fields -> {
                    JsonNode answer = ask(fields);
                    assertThat(get("/" + answer.get("id").stringValue()).statusCode())
                            .isEqualTo(answer.get("store").booleanValue() ? 200 : 404);
                });
    }
}
