package dev.causal4j.server;

import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.PROMPT;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.completion;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.post;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The answers of the server. The conformance kit asks more, with the clients that people use. */
class ServerTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'max_tokens': 30, 'seed': 7, 'n': 3, 'logprobs': 2",
                "'max_tokens': 25, 'temperature': 0, 'echo': true, 'logprobs': 0",
                "'max_tokens': 40, 'temperature': 0, 'stop': ['ery w', 'young'], 'logprobs': 1",
                "'max_tokens': 9, 'seed': -3, 'temperature': 2, 'logprobs': 1, 'logit_bias': {'127': 100, '102': 100}",
                "'max_tokens': 0, 'echo': true"
            })
    void aStreamSaysWhatTheWholeAnswerSays(String fields) throws Exception {
        JsonNode whole = completion(fields).get("choices");
        List<JsonNode> events =
                events(send(SERVER, "/v1/completions", "{'prompt': '" + PROMPT + "', 'stream': true, " + fields + "}")
                        .body());
        for (JsonNode choice : whole) {
            StringBuilder text = new StringBuilder();
            List<JsonNode> logProbabilities = new ArrayList<>();
            String finish = "";
            for (JsonNode event : events) {
                JsonNode part = event.get("choices").get(0);
                if (part.get("index").equals(choice.get("index"))) {
                    text.append(part.get("text").stringValue());
                    part.path("logprobs").path("token_logprobs").forEach(logProbabilities::add);
                    finish = part.get("finish_reason").asString();
                }
            }
            assertThat(text).hasToString(choice.get("text").stringValue());
            assertThat(finish).isEqualTo(choice.get("finish_reason").stringValue());
            assertThat(logProbabilities)
                    .isEqualTo(choice.path("logprobs")
                            .path("token_logprobs")
                            .valueStream()
                            .toList());
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 1", "2, 2"}) // the second takes the token from the scores
    void echoGivesTheBitsOfTheScorer(int maxTokens, int made) throws Exception {
        String text = PROMPT + " single man in possession of a good fortune";
        JsonNode choice = post(
                        "/v1/completions",
                        "{'prompt': '" + text + "', 'max_tokens': " + maxTokens
                                + ", 'temperature': 0, 'echo': true, 'logprobs': 1}")
                .get("choices")
                .get(0);
        List<Double> expected = new ArrayList<>(new Scorer(MODEL)
                .score(text).predictions().stream()
                        .map(Prediction::logProbability)
                        .toList());
        List<JsonNode> told =
                choice.get("logprobs").get("token_logprobs").valueStream().toList();
        assertThat(told.getFirst().isNull()).isTrue();
        assertThat(told.subList(1, told.size() - made).stream().map(JsonNode::doubleValue))
                .isEqualTo(expected);
        assertThat(choice.get("text").stringValue()).startsWith(text);
        assertThat(choice.get("bits").stringValue())
                .isEqualTo(new Scorer(MODEL).score(text).bits());
    }

    /** A prediction that is right, wrong in its middle, or of something else; text or parts of text. */
    @Test
    void aPredictionChangesNothingButIsCounted() throws Exception {
        String fields = "'max_tokens': 40, 'seed': 5, 'n': 2, 'logprobs': 1";
        JsonNode plain = completion(fields).get("choices");
        String text = plain.get(0).get("text").stringValue();
        String wrong = text.substring(0, text.length() / 2) + " Xx " + text.substring(text.length() / 2);
        for (String content : List.of(text, wrong, "Something else.")) {
            String quoted = JsonMapper.shared().writeValueAsString(content).replace("'", "\\u0027");
            for (String given : List.of(quoted, "[{'type': 'text', 'text': " + quoted + "}]")) {
                JsonNode answer = completion(fields + ", 'prediction': {'type': 'content', 'content': " + given + "}");
                assertThat(answer.get("choices")).isEqualTo(plain);
                JsonNode details = answer.get("usage").get("completion_tokens_details");
                assertThat(details.get("accepted_prediction_tokens").intValue()).isNotNegative();
                assertThat(details.get("rejected_prediction_tokens").intValue()).isNotNegative();
            }
        }
        JsonNode off = completion(fields + ", 'draft': 'off', 'prediction': {'type': 'content', 'content': 'x'}");
        assertThat(off.get("timings").get("draft_n").intValue()).isZero();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'draft': 'on' | draft: expected \"off\", got \"on\"",
                "'prediction': {'type': 'text', 'content': 'x'} | prediction.type: expected \"content\", got \"text\"",
                "'prediction': {'type': 'content'} | prediction.content: expected",
                "'prediction': {'content': 'x'} | prediction.type: expected"
            })
    void aWrongPredictionIsRefused(String fields, String message) throws Exception {
        HttpResponse<String> answer = send(SERVER, "/v1/completions", "{'prompt': 'x', " + fields + "}");
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(JsonMapper.shared()
                        .readTree(answer.body())
                        .at("/error/message")
                        .stringValue())
                .startsWith(message);
    }

    @Test
    void theTokenOfAScoringRequestIsTheGreedyOne() throws Exception {
        JsonNode scored = completion("'max_tokens': 1, 'temperature': 0, 'echo': true, 'logprobs': 1")
                .get("choices")
                .get(0);
        JsonNode made = completion("'max_tokens': 1, 'temperature': 0, 'logprobs': 1")
                .get("choices")
                .get(0);
        assertThat(scored.get("text").stringValue())
                .isEqualTo(PROMPT + made.get("text").stringValue());
        JsonNode last = scored.get("logprobs").get("token_logprobs");
        assertThat(last.get(last.size() - 1))
                .isEqualTo(made.get("logprobs").get("token_logprobs").get(0));
    }

    @Test
    void aPromptIsCachedForItsSaltAlone() throws Exception {
        String fields = "'max_tokens': 1, 'prompt': '" + (PROMPT + " ").repeat(12) + "'";
        for (String salt : List.of("a", "b")) {
            for (int again = 0; again < 2; again++) {
                JsonNode usage = post("/v1/completions", "{" + fields + ", 'cache_salt': '" + salt + "'}")
                        .get("usage");
                int cached =
                        usage.get("prompt_tokens_details").get("cached_tokens").intValue();
                assertThat(cached)
                        .as(salt + again)
                        .isEqualTo(again == 0 ? 0 : cached)
                        .isGreaterThanOrEqualTo(again * 64);
            }
        }
    }

    @Test
    void whatIsNotToBeCachedIsNot() throws Exception {
        String prompt = "'max_tokens': 1, 'prompt': '" + "A text of its own. ".repeat(12) + "'";
        for (String cached : List.of("false", "false", "true", "false")) {
            JsonNode usage = post("/v1/completions", "{" + prompt + ", 'cache_prompt': " + cached + "}")
                    .get("usage");
            assertThat(usage.get("prompt_tokens_details").get("cached_tokens").intValue())
                    .isZero();
        }
    }

    @Test
    void choicesBehindOneContextAreScoredAsAlone() throws Exception {
        String fields = "'echo': true, 'logprobs': 2, 'temperature': 0, 'max_tokens': 1";
        List<String> prompts = Stream.of("wife", "zebra", "man of sense", "single good fortune")
                .map(ending -> "'" + (PROMPT + ", ").repeat(15) + ending + "'")
                .toList();
        JsonNode together = post("/v1/completions", "{" + fields + ", 'prompt': " + prompts + "}")
                .get("choices");
        for (int i = 0; i < prompts.size(); i++) {
            String prompt = ", 'prompt': " + prompts.get(i);
            JsonNode alone = post("/v1/completions", "{" + fields + prompt + ", 'cache_prompt': false}")
                    .get("choices")
                    .get(0);
            JsonNode again = post("/v1/completions", "{" + fields + prompt + "}")
                    .get("choices")
                    .get(0);
            for (JsonNode each : List.of(together.get(i), again)) {
                assertThat(each.get("logprobs")).isEqualTo(alone.get("logprobs"));
                assertThat(each.get("text")).isEqualTo(alone.get("text"));
            }
        }
    }

    @Test
    void theDashboardShowsMetricsThatThereAre() throws Exception {
        assertThat(send(SERVER, "/v1/nowhere", "").statusCode()).isEqualTo(404);
        assertThat(completion("'max_tokens': 1").get("choices").size()).isEqualTo(1);
        String metrics = send(SERVER, "/metrics", "").body();
        String dashboard = Files.readString(Path.of("../docs/guides/grafana.json"));
        List<String> names = Pattern.compile("causal4j_\\w+")
                .matcher(dashboard)
                .results()
                .map(MatchResult::group)
                .toList();
        assertThat(names).hasSizeGreaterThan(10).allMatch(metrics::contains);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{",
                "[1]",
                "{'prompt': 'a'} {}",
                "{'prompt': ['a', 1]}",
                "{'prompt': 'a', 'max_tokens': 1.5}",
                "{'prompt': 'a', 'temperature': 3}",
                "{'prompt': 'a', 'temperature': 'hot\\n\\u202e'}",
                "{'prompt': 'a', 'logit_bias': {'9999999': 1}}",
                "{'prompt': 'a', 'grammar': 'root ::= x'}",
                "{'prompt': 'a', 'best_of': 2, 'stream': true}",
                "{'prompt': 'a', 'seed': 1e300}",
                "{'prompt': '\\ud800'}",
                "{'prompt': [[1, 2], []]}",
                "{'prompt': 'a', 'n': 100, 'best_of': 5}"
            })
    void aBadBodyIsRefusedInOneLine(String body) throws Exception {
        HttpResponse<String> response = send(SERVER, "/v1/completions", body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        String message = JsonMapper.shared()
                .readTree(response.body())
                .get("error")
                .get("message")
                .stringValue();
        assertThat(message).matches("[a-z_.\\[\\]0-9]+: expected [^\\n\\r\\u202e]+, got [^\\n\\r\\u202e]+");
        assertThat(message).doesNotContain("Exception", "dev.causal4j");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "functions | [{}]",
                "function_call | 'auto'",
                "grammar_lazy | true",
                "guided_whitespace_pattern | ' '",
                "best_of | 2",
                "truncate_prompt_tokens | 9",
                "include_stop_str_in_output | true"
            })
    void whatAChatCannotHonourIsNamed(String field, String value) throws Exception {
        String body = "{'messages': [{'role': 'user', 'content': 'a'}], 'max_tokens': 1, '%s': %s}";
        HttpResponse<String> refused = send(SERVER, "/v1/chat/completions", body.formatted(field, value));
        assertThat(refused.statusCode()).isEqualTo(400);
        assertThat(refused.body()).contains("unsupported_parameter", "\"param\":\"" + field + "\"");
    }

    @Test
    void theBestOfSomeAreToldWithoutTheirLogProbabilities() throws Exception {
        JsonNode choices = post("/v1/completions", "{'prompt': 'a', 'max_tokens': 3, 'n': 2, 'best_of': 3, 'seed': 1}")
                .get("choices");
        assertThat(choices).hasSize(2).allMatch(choice -> choice.get("logprobs").isNull());
    }

    @Test
    void aPromptAndWhatComesBehindItFitTheContext() throws Exception {
        String body = "{'prompt': %s, 'max_tokens': %d, 'min_tokens': %2$d, 'ignore_eos': true, 'echo': %b}";
        String ids = ", 300".repeat(252);
        JsonNode usage = post("/v1/completions", body.formatted("[[300" + ids + "], [7]]", 9, false))
                .get("usage");
        assertThat(usage.get("completion_tokens").intValue()).isEqualTo(3 + 9);
        HttpResponse<String> full =
                send(SERVER, "/v1/completions", body.formatted("[1, 2, 3, 4" + ids + "]", 1, false));
        assertThat(full.statusCode()).isEqualTo(400);
        assertThat(full.body()).contains("context_length_exceeded", "expected at most 256 tokens, the context length");
        assertThat(post("/v1/completions", body.formatted("[1, 2, 3, 4" + ids + "]", 0, true))
                        .get("usage")
                        .get("total_tokens")
                        .intValue())
                .isEqualTo(256);
    }

    @Test
    void numbersMayBeWrittenAsOthersWriteThem() throws Exception {
        JsonNode one = completion("'max_tokens': 4.0, 'n': 2e0, 'seed': 9007199254740993, 'stop': null, 'x': {}");
        assertThat(one.get("usage").get("completion_tokens").intValue()).isEqualTo(8);
        assertThat(one.get("choices").get(1).get("seed").longValue()).isEqualTo(9007199254740994L);
    }

    @Test
    void usersCannotWriteControlTokens() throws Exception {
        String messages = "{'max_tokens': 1, 'messages': [{'role': 'user', 'content': '%s'}]}";
        int plain = post("/v1/chat/completions", messages.formatted("end"))
                .get("usage")
                .get("prompt_tokens")
                .intValue();
        int spelled = post("/v1/chat/completions", messages.formatted("<|endoftext|>"))
                .get("usage")
                .get("prompt_tokens")
                .intValue();
        assertThat(spelled).isGreaterThan(plain + 2);
        assertThat(post("/tokenize", "{'content': '<|endoftext|>'}")
                        .get("tokens")
                        .size())
                .isEqualTo(1);
    }

    @Test
    void bytesOfAChatsTokensAreThoseOfItsTextAlsoWhereAStopTextCutsOne() throws Exception {
        String ask = "{'temperature': 0, 'max_tokens': 24, 'logprobs': true,"
                + " 'messages': [{'role': 'user', 'content': 'Tell me of Emma.'}]%s}";
        String full = post("/v1/chat/completions", ask.formatted(""))
                .get("choices")
                .get(0)
                .get("message")
                .get("content")
                .stringValue();
        for (int from = 5; from < 20; from++) {
            String stop = full.substring(from, from + 3);
            JsonNode choice = post("/v1/chat/completions", ask.formatted(", 'stop': '" + stop + "'"))
                    .get("choices")
                    .get(0);
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            choice.get("logprobs")
                    .get("content")
                    .forEach(token -> token.get("bytes").forEach(each -> bytes.write(each.intValue())));
            assertThat(bytes.toString(StandardCharsets.UTF_8))
                    .isEqualTo(choice.get("message").get("content").stringValue())
                    .isEqualTo(full.substring(0, full.indexOf(stop)));
        }
    }

    /** Asks a model with BOS and SentencePiece's spaces. */
    private static JsonNode llama(String body) throws IOException, InterruptedException {
        Path file = Path.of("../core/src/test/resources/dev/causal4j/golden/gguf/llama-f16.gguf");
        try (CausalLM model = CausalLM.load(file);
                Server server = Server.start(model, ChatTemplate.plain(), OPTIONS)) {
            HttpResponse<String> response = send(server, "/v1/completions", body);
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            return JsonMapper.shared().readTree(response.body()).get("choices");
        }
    }

    @Test
    void offsetsOfAnEchoAreThoseOfItsTextWithoutBos() throws Exception {
        String prompt = "the in he re";
        JsonNode choice = llama("{'prompt': '" + prompt + "', 'echo': true, 'logprobs': 1, 'max_tokens': 3}")
                .get(0);
        JsonNode tokens = choice.get("logprobs").get("tokens");
        JsonNode offsets = choice.get("logprobs").get("text_offset");
        String text = choice.get("text").stringValue();
        assertThat(text).startsWith(prompt);
        assertThat(tokens.get(0).stringValue()).isEqualTo("<s>");
        assertThat(offsets.get(0).intValue()).isZero();
        StringBuilder spelled = new StringBuilder();
        for (int i = 1; i < tokens.size() - 3; i++) {
            assertThat(offsets.get(i).intValue()).as(choice.toString()).isEqualTo(spelled.length());
            String token = tokens.get(i).stringValue();
            spelled.append(i == 1 ? token.stripLeading() : token);
        }
        assertThat(spelled).hasToString(prompt);
        assertThat(offsets.get(tokens.size() - 3).intValue()).isEqualTo(prompt.length());
    }

    @Test
    void aPromptOfOneTokenGoesOnWithASpaceHoweverItIsComputed() throws Exception {
        StringBuilder prompts = new StringBuilder();
        for (int id = 260; id < 300; id++) {
            prompts.append(id == 260 ? "[" : ", [").append(id).append(']');
        }
        String body = "{'prompt': [" + prompts + "], 'temperature': 0, 'echo': true, 'logprobs': 1, 'max_tokens': %d}";
        JsonNode one = llama(body.formatted(1));
        JsonNode two = llama(body.formatted(2));
        int spaces = 0;
        for (int i = 0; i < one.size(); i++) {
            JsonNode names = one.get(i).get("logprobs").get("tokens");
            String text = one.get(i).get("text").stringValue();
            if (names.get(1).stringValue().startsWith(" ")) {
                spaces++;
                assertThat(text).endsWith(names.get(1).stringValue());
                assertThat(two.get(i).get("text").stringValue()).startsWith(text);
            }
        }
        assertThat(spaces).isPositive();
    }

    private static HttpResponse<String> templated(String template, String body) throws Exception {
        try (Server server =
                Server.start(MODEL, ChatTemplate.parse("/secret/config.json", template, Map.of()), OPTIONS)) {
            return send(server, "/apply-template", body);
        }
    }

    @Test
    void theErrorsOfATemplateDoNotTellItsPath() throws Exception {
        for (String template : List.of("{{ raise_exception('no') }}", "{{ messages[0].content.nothing.more }}")) {
            HttpResponse<String> refused = templated(template, "{'messages': [{'role': 'user', 'content': 'a'}]}");
            assertThat(refused.statusCode()).as(refused.body()).isEqualTo(400);
            assertThat(refused.body()).contains("chat template: expected").doesNotContain("secret");
        }
    }

    @ParameterizedTest
    @CsvSource(
            ignoreLeadingAndTrailingWhitespace = false,
            value = {"s,user:a</s>user:s", "a,user:a</s>user:a", "It is ,user:a</s>user:It is "})
    void aFinalMessageGoesOnWhereItsContentEnds(String content, String expected) throws Exception {
        String messages = "{'continue_final_message': true, 'messages': [{'role': 'user', 'content': 'a'},"
                + " {'role': 'assistant', 'content': %s}]}";
        String template = "{% for m in messages %}user:{{ m.content | trim }}</s>{% endfor %}";
        HttpResponse<String> response = templated(template, messages.formatted("'" + content + "'"));
        assertThat(JsonMapper.shared().readTree(response.body()).get("prompt").stringValue())
                .isEqualTo(expected);
        assertThat(templated(template, messages.formatted("null")).statusCode()).isEqualTo(400);
    }
}
