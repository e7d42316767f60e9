using System.Text.Json;
using System.Text.Json.Serialization;

namespace StreamRec.Models;

/// <summary>How recipes and the configurations of checkpoints are written: an unknown key is an error, and so is a null where none is meant.</summary>
internal static class RecipeJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Reads a recipe; the defaults where there is none.</summary>
    /// <param name="json">The recipe, or an undefined element.</param>
    /// <param name="family">For the message.</param>
    /// <exception cref="ArgumentException">It is something else; the message names the key.</exception>
    public static T Read<T>(JsonElement json, string family)
        where T : new()
    {
        try
        {
            return json.ValueKind == JsonValueKind.Undefined ? new T() : json.Deserialize<T>(Options) ?? new T();
        }
        catch (JsonException exception)
        {
            throw new ArgumentException($"The {family} recipe cannot be read: {exception.Message}", exception);
        }
    }
}
