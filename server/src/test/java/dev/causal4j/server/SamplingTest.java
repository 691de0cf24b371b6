package dev.causal4j.server;

import static dev.causal4j.server.Unserved.SERVED;
import static dev.causal4j.server.Unserved.in;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.server.TextRequest.Prompt;
import dev.causal4j.server.TextRequest.ResponseFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SamplingTest {
    private static final int EOS = 3071; // of the model; 9 ends turns

    private static GenerationOptions read(String body) {
        return Sampling.read(in(body), SERVED, 40, Set.of(9), List.of(), "owner ");
    }

    private static boolean isPlain(String fields) {
        GenerationOptions options = read("{" + fields + "}").withMaxNewTokens(1);
        ResponseFormat whole = new ResponseFormat(
                false, false, false, SERVED, new TokenNames(SERVED.tokenizer(), false), Optional.empty());
        Prompt prompt = new Prompt(new int[] {1}, 0, "", 100);
        return new TextRequest(List.of(prompt), 1, 1, options, "", 0, true, whole, CompletionApi.Continuation::new)
                .isScoring();
    }

    @Test
    void aSeedIsKeptAndWithoutOneEachRequestHasItsOwn() {
        assertThat(read("{'seed': -9007199254740993}").seed()).isEqualTo(-9007199254740993L);
        assertThat(read("{}").seed()).isNotEqualTo(read("{}").seed());
    }

    @Test
    void theTokensOfModelTemplateAndRequestEndASequenceUnlessTheyAreIgnored() {
        assertThat(read("{'stop_token_ids': [5]}").eos().orElseThrow()).containsExactlyInAnyOrder(EOS, 9, 5);
        assertThat(read("{'stop_token_ids': [5], 'ignore_eos': true}").eos().orElseThrow())
                .containsExactly(5);
    }

    @Test
    void whatSharesKeysAndValuesHasItsOwnerAndItsSalt() {
        assertThat(read("{}").cacheSalt()).contains("owner ");
        assertThat(read("{'cache_salt': 'x'}").cacheSalt()).contains("owner x");
        assertThat(read("{'cache_prompt': false}").cacheSalt()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"'temperature': 0", "'top_p': 0", "'top_p': 0, 'temperature': 2", "'temperature': 0, 'top_k': 3"
            })
    void theLikeliestTokenIsTakenAsItIs(String fields) {
        assertThat(isPlain(fields)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'temperature': 1",
                "'temperature': 0, 'stop': 'x'",
                "'temperature': 0, 'frequency_penalty': 1",
                "'temperature': 0, 'presence_penalty': -1",
                "'temperature': 0, 'repeat_penalty': 1.1",
                "'temperature': 0, 'repetition_penalty': 1.1",
                "'temperature': 0, 'no_repeat_ngram_size': 2",
                "'temperature': 0, 'min_tokens': 1",
                "'temperature': 0, 'logit_bias': {'5': 1}"
            })
    void whatChangesLogitsOrEndsATextIsNotPlain(String fields) {
        assertThat(isPlain(fields)).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'temperature': 2.1 | temperature: expected a number from 0.0 to 2.0, got 2.1",
                "'top_p': '1' | top_p: expected a number from 0.0 to 1.0, got \"1\"",
                "'min_tokens': 41 | min_tokens: expected a whole number from 0 to 40, got 41",
                "'stop': '' | stop: expected text of 1 to 1024 characters, got \"\"",
                "'stop_token_ids': [3072] | stop_token_ids.[0]: expected a whole number from 0 to 3071, got 3072",
                "'logit_bias': {'3072': 1} | logit_bias: expected ids of tokens from 0 to 3071, got \"3072\"",
                "'logit_bias': {'5': 101} | logit_bias.5: expected a number from -100.0 to 100.0, got 101",
                "'mirostat': 2 | mirostat: expected nothing, since this is not supported, got 2"
            })
    void aFieldOutOfItsRangeIsNamed(String fields, String message) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> read("{" + fields + "}"))
                .withMessage(message)
                .matches(error -> error.status == 400);
    }

    @Test
    void aSaltThatKeptPagesKeepIsShort() {
        assertThat(read("{'cache_salt': '" + "x".repeat(256) + "'}").cacheSalt())
                .isPresent();
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> read("{'cache_salt': '" + "x".repeat(257) + "'}"))
                .withMessageStartingWith("cache_salt: expected text of 0 to 256 characters, got");
    }

    @Test
    void aSequenceHasNoMoreTokensThanTheContextHasRoomFor() {
        GenerationOptions options = read("{'min_tokens': 10}");
        List<Prompt> prompts = List.of(new Prompt(new int[] {1}, 0, "", 100), new Prompt(new int[] {1}, 0, "", 4));
        ResponseFormat whole = new ResponseFormat(
                false, false, false, SERVED, new TokenNames(SERVED.tokenizer(), false), Optional.empty());
        TextRequest ask = new TextRequest(
                prompts, 1, 1, options, "", TextRequest.NO_LOGPROBS, false, whole, CompletionApi.Continuation::new);
        assertThat(ask.request(0).options().toString()).contains("maxNewTokens=40", "minNewTokens=10");
        assertThat(ask.request(1).options().toString()).contains("maxNewTokens=4,", "minNewTokens=4,");
    }
}
