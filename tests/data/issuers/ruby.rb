# Writes each line of JSON again, as Ruby does, or as Rails does (`ruby.rb rails`).
require 'json'
if ARGV.first == 'rails'
  require 'active_support'
  require 'active_support/json'
end

STDIN.set_encoding('UTF-8')
STDIN.each_line do |line|
  value = JSON.parse(line, max_nesting: false)
  puts value.to_json
rescue JSON::NestingError
  puts '!'
end
