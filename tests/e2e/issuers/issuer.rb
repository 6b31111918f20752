# Issues a token for each line of JSON with ruby-jwt: `ruby issuer.rb`, or `ruby issuer.rb rails` with Rails' to_json.

require 'json'
require 'jwt'
if ARGV.delete('rails')
  require 'active_support'
  require 'active_support/json'
end

$stdin.set_encoding('UTF-8')
$stdin.each_line do |line|
  identifiers = JSON.parse(line)
  puts JWT.encode({ ext: identifiers.to_json, exp: Time.now.to_i + 3600 }, ENV.fetch('SECRET'), 'HS256')
end
